// Locks on files, byte by byte: ranges with holes and of both kinds, two descriptions of one file, a file
// without a name, the last byte there can be. A child that has none of them asks for each byte, and for what.
#include "../lib/sample.h"
#include <sys/file.h>
#include <sys/wait.h>

#define BYTES 100

static struct flock range(short type, off_t start, off_t length) {
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
}

static void lock(int fd, int command, short type, off_t start, off_t length) {
    struct flock wanted = range(type, start, length);
    expect(fcntl(fd, command, &wanted) == 0, "lock %ld+%ld", (long)start, (long)length);
}

// One letter a byte: w for a lock that keeps all out, r for one that keeps writers out, - for none.
static void seen(const char *name, char *text) {
    int fd = open(name, O_RDWR);
    expect(fd >= 0, "open %s", name);
    for (int at = 0; at < BYTES; at++) {
        struct flock asked = range(F_WRLCK, at, 1);
        expect(fcntl(fd, F_OFD_GETLK, &asked) == 0, "ask");
        text[at] = asked.l_type == F_UNLCK ? '-' : asked.l_type == F_RDLCK ? 'r' : 'w';
    }
    text[BYTES] = 0;
    close(fd);
}

static int may_flock(const char *name, int operation) {
    int fd = open(name, O_RDONLY);
    expect(fd >= 0, "open %s", name);
    int result = flock(fd, operation | LOCK_NB);
    close(fd);
    return result == 0;
}

// Closing any descriptor of a file gives the process's locks on it up, so only a child may look.
static int in_child(int (*look)(void)) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        _exit(look());
    int status = 0;
    expect(child > 0 && waitpid(child, &status, 0) == child, "child");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

static char wanted_ranges[BYTES + 1], wanted_description[BYTES + 1], wanted_last[BYTES + 1];

static int all_held(void) {
    char text[BYTES + 1];
    seen("ranges", text);
    if (strcmp(text, wanted_ranges) != 0)
        return printf("ranges  %s\ninstead %s\n", text, wanted_ranges), fflush(stdout), 1;
    seen("description", text);
    if (strcmp(text, wanted_description) != 0)
        return printf("description %s\ninstead     %s\n", text, wanted_description), fflush(stdout), 2;
    seen("last", text);
    if (strcmp(text, wanted_last) != 0)
        return printf("last    %s\ninstead %s\n", text, wanted_last), fflush(stdout), 6;
    if (may_flock("whole", LOCK_SH))
        return 3;
    if (may_flock("shared", LOCK_EX) || !may_flock("shared", LOCK_SH))
        return 4;
    return may_flock("free", LOCK_EX) ? 0 : 5;
}

static int nothing_on_ranges(void) {
    char text[BYTES + 1];
    seen("ranges", text);
    return strchr(text, 'w') == NULL && strchr(text, 'r') == NULL ? 0 : 1;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *names[] = {"ranges", "description", "whole", "shared", "free", "last"};
    char content[BYTES] = {0};
    for (int i = 0; i < 6; i++)
        make_file(names[i], content, BYTES);
    memset(wanted_ranges, '-', BYTES);
    memset(wanted_description, '-', BYTES);
    memset(wanted_last, '-', BYTES);

    int ranges = open("ranges", O_RDWR);
    int reader = open("ranges", O_RDONLY);
    lock(ranges, F_SETLK, F_WRLCK, 0, 10);
    lock(reader, F_SETLK, F_RDLCK, 20, 10);
    lock(ranges, F_SETLK, F_WRLCK, 30, 5);
    lock(ranges, F_SETLK, F_UNLCK, 4, 2);
    lock(ranges, F_SETLK, F_WRLCK, 90, 0);
    memset(wanted_ranges, 'w', 10);
    memset(wanted_ranges + 4, '-', 2);
    memset(wanted_ranges + 20, 'r', 10);
    memset(wanted_ranges + 30, 'w', 5);
    memset(wanted_ranges + 90, 'w', 10);

    int one = open("description", O_RDWR), other = open("description", O_RDWR), copy = dup2(one, 70);
    lock(one, F_OFD_SETLK, F_WRLCK, 5, 5);
    lock(other, F_OFD_SETLK, F_RDLCK, 50, 20);
    memset(wanted_description + 5, 'w', 5);
    memset(wanted_description + 50, 'r', 20);
    // The lock belongs to what both descriptors share.
    close(one);

    int whole = open("whole", O_RDONLY), shared = open("shared", O_RDWR);
    expect(flock(whole, LOCK_EX) == 0 && flock(shared, LOCK_SH) == 0, "flock");
    // A file without a name: nobody else can ask for it, but a description of its own can.
    int nameless = open("gone", O_RDWR | O_CREAT, 0600);
    lock(nameless, F_SETLK, F_WRLCK, 3, 4);
    unlink("gone");
    // At the end of what can be locked.
    int last = open("last", O_RDWR);
    lock(last, F_SETLK, F_RDLCK, 99, INT64_MAX - 99);
    memset(wanted_last + 99, 'r', 1);

    ready();
    wait_for_go();
    SPOIL(1, close(open("ranges", O_RDONLY)));
    SPOIL(2, lock(copy, F_OFD_SETLK, F_UNLCK, 9, 1));
    SPOIL(3, flock(whole, LOCK_UN));
    SPOIL(4, flock(shared, LOCK_EX));
    SPOIL(5, lock(reader, F_SETLK, F_RDLCK, 30, 1));
    SPOIL(6, lock(nameless, F_SETLK, F_UNLCK, 3, 1));

    int result = in_child(all_held);
    expect(result == 0, "the child sees otherwise: %d", result);
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", nameless);
    // Stays open: closing it would give the process's lock up.
    int again = open(name, O_RDWR);
    struct flock asked = range(F_WRLCK, 0, 0);
    expect(fcntl(again, F_OFD_GETLK, &asked) == 0 && asked.l_type == F_WRLCK && asked.l_start == 3 && asked.l_len == 4,
           "lock on the file without a name: %d at %ld+%ld", asked.l_type, (long)asked.l_start, (long)asked.l_len);
    // They go as they always go.
    close(reader);
    expect(in_child(nothing_on_ranges) == 0, "closed, yet locked");
    close(copy);
    memset(wanted_description + 5, '-', 5);
    memset(wanted_ranges, '-', BYTES);
    result = in_child(all_held);
    expect(result == 0, "closed, yet locked: %d", result);
    pass();
}
