// Directories that were removed while they were open: dup'ed, opened twice, half read, by O_PATH, locked; one within
// another, one that has given its name to a file, two of one name. Nothing is in them and nothing can be made there.
#include "../lib/sample.h"
#include <sys/file.h>

static int open_as(const char *name, mode_t mode, int flags) {
    mkdir(name, 0700);
    int fd = open(name, flags | O_DIRECTORY);
    expect(fd >= 0 && chmod(name, mode) == 0, "%s", name);
    return fd;
}

static void link_of(int fd, char text[4096]) {
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t got = readlink(name, text, 4095);
    expect(got > 0, "readlink");
    text[got] = 0;
}

static void expect_removed(int fd, mode_t mode) {
    struct stat is;
    char text[4096], entries[512];
    expect(fstat(fd, &is) == 0 && is.st_nlink == 0 && is.st_mode == (S_IFDIR | mode), "mode %o", is.st_mode);
    expect(is.st_uid == geteuid(), "user %u", is.st_uid);
    link_of(fd, text);
    char *end = strstr(text, " (deleted)");
    expect(end && !end[10], "%s", text);
    int path = fcntl(fd, F_GETFL) & O_PATH;
    expect(syscall(SYS_getdents64, fd, entries, sizeof entries) == -1 && errno == (path ? EBADF : ENOENT), "getdents64");
    if (mode & 0100)
        expect(openat(fd, "new", O_CREAT | O_RDWR, 0600) == -1 && errno == ENOENT, "a new file");
}

static int same(int a, const char *path, int b) {
    struct stat one, other;
    expect(fstatat(a, path, &one, 0) == 0 && fstat(b, &other) == 0, "stat %s", path);
    return one.st_ino == other.st_ino && one.st_dev == other.st_dev;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    // The first incarnation of "twice"; the second has a descriptor of a lower number than what lies above it.
    int first = open_as("twice", 0711, O_RDONLY);
    expect(rmdir("twice") == 0, "rmdir");
    expect(mkdir("outer", 0700) == 0, "mkdir");
    int within = open_as("outer/within", 0751, O_RDONLY | O_CLOEXEC);
    int outer = open_as("outer", 0700, O_RDONLY);
    int second = open_as("twice", 0711, O_RDONLY);
    int again = open("twice", O_RDONLY | O_NOFOLLOW), place = open("twice", O_PATH | O_DIRECTORY), copy = dup(second);
    expect(rmdir("outer/within") == 0 && chmod("outer", 0550) == 0 && rmdir("outer") == 0, "rmdir");
    expect(rmdir("twice") == 0, "rmdir");
    int replaced = open_as("replaced", 01777, O_RDONLY);
    expect(rmdir("replaced") == 0, "rmdir");
    make_file("replaced", "file", 4);
    int half = open_as("half", 0700, O_RDONLY);
    for (int i = 0; i < 50; i++) {
        char name[64];
        snprintf(name, sizeof name, "half/file%d", i);
        make_file(name, "", 0);
    }
    char entries[256], before[4096], now[4096];
    expect(syscall(SYS_getdents64, half, entries, sizeof entries) > 0, "getdents64");
    long position = lseek(half, 0, SEEK_CUR);
    for (int i = 0; i < 50; i++) {
        char name[64];
        snprintf(name, sizeof name, "half/file%d", i);
        expect(unlink(name) == 0, "unlink");
    }
    expect(position > 0 && rmdir("half") == 0, "rmdir");
    expect(flock(second, LOCK_EX) == 0, "flock");
    int here = open(".", O_RDONLY | O_DIRECTORY);
    link_of(within, before);

    ready();
    wait_for_go();
    SPOIL(1, fchmod(within, 0700));
    SPOIL(2, dup2(here, outer));
    SPOIL(3, dup2(first, second));
    SPOIL(4, lseek(half, 0, SEEK_SET));
    SPOIL(5, flock(second, LOCK_UN));
    SPOIL(6, mkdir("other", 0700); dup2(open("other", O_RDONLY), within));
    SPOIL(7, dup2(open(".", O_PATH), place));

    expect_removed(first, 0711);
    expect_removed(second, 0711);
    expect_removed(again, 0711);
    expect_removed(place, 0711);
    expect_removed(outer, 0550);
    expect_removed(within, 0751);
    expect_removed(replaced, 01777);
    expect_removed(half, 0700);
    link_of(within, now);
    expect(strcmp(before, now) == 0, "%s, not %s", now, before);
    expect(same(within, "..", outer) && same(outer, "..", here) && same(second, "..", here), "what lies above");
    expect(same(again, ".", second) && same(place, ".", second) && !same(first, ".", second), "one or another");
    expect(fcntl(again, F_GETFL) & O_NOFOLLOW && fcntl(place, F_GETFL) & O_PATH, "flags");
    expect(fcntl(within, F_GETFD) == FD_CLOEXEC, "O_CLOEXEC");
    expect(lseek(half, 0, SEEK_CUR) == position && lseek(half, 0, SEEK_SET) == 0, "position");
    expect(flock(again, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK, "lock");
    expect(flock(copy, LOCK_UN) == 0 && flock(again, LOCK_EX | LOCK_NB) == 0, "unlock");
    struct stat is;
    expect(stat("replaced", &is) == 0 && S_ISREG(is.st_mode) && is.st_size == 4, "what took the name");
    expect(access("twice", F_OK) == -1 && access("outer", F_OK) == -1 && access("half", F_OK) == -1, "a name is back");
    pass();
}
