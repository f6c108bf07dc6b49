// Regular files: access mode, offset, O_APPEND, O_NONBLOCK, O_SYNC, O_NOATIME and close-on-exec.
#include "../lib/sample.h"

static const struct {
    const char *name;
    int flags;
    int offset;
} kinds[] = {
    {"read", O_RDONLY, 10},
    {"write", O_WRONLY, 20},
    {"both", O_RDWR, 30},
    {"append", O_WRONLY | O_APPEND, 5},
    {"nonblock", O_RDWR | O_NONBLOCK, 1},
    {"cloexec", O_RDONLY | O_CLOEXEC, 2},
    {"sync", O_WRONLY | O_SYNC, 3},
    {"dsync", O_WRONLY | O_DSYNC, 4},
    {"noatime", O_RDONLY | O_NOATIME, 6},
    {"beyond", O_RDWR, 100000},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

int main(int argc, char **argv) {
    sample_start(argc, argv);
    char content[100];
    for (int i = 0; i < 100; i++)
        content[i] = (char)('A' + i % 26);
    int fd[KINDS], flags[KINDS];
    struct stat before[KINDS];
    for (size_t i = 0; i < KINDS; i++) {
        make_file(kinds[i].name, content, sizeof content);
        fd[i] = open(kinds[i].name, kinds[i].flags);
        expect(fd[i] >= 0, "open %s", kinds[i].name);
        expect(lseek(fd[i], kinds[i].offset, SEEK_SET) == kinds[i].offset, "lseek");
        flags[i] = fcntl(fd[i], F_GETFL);
        fstat(fd[i], &before[i]);
    }

    ready();
    wait_for_go();
    SPOIL(1, lseek(fd[0], 11, SEEK_SET));
    SPOIL(2, fcntl(fd[3], F_SETFL, 0));
    SPOIL(3, fcntl(fd[5], F_SETFD, 0));
    SPOIL(4, close(fd[2]); open("both", O_WRONLY); lseek(fd[2], 30, SEEK_SET));
    SPOIL(5, close(fd[9]));

    for (size_t i = 0; i < KINDS; i++) {
        const char *name = kinds[i].name;
        struct stat now;
        expect(fstat(fd[i], &now) == 0, "%s", name);
        expect(now.st_ino == before[i].st_ino && now.st_dev == before[i].st_dev, "%s is another file", name);
        expect(fcntl(fd[i], F_GETFL) == flags[i], "%s has flags %x instead of %x", name,
               (unsigned)fcntl(fd[i], F_GETFL), (unsigned)flags[i]);
        expect(fcntl(fd[i], F_GETFD) == (kinds[i].flags & O_CLOEXEC ? FD_CLOEXEC : 0), "%s: F_GETFD", name);
        expect(lseek(fd[i], 0, SEEK_CUR) == kinds[i].offset, "%s is at %ld", name,
               (long)lseek(fd[i], 0, SEEK_CUR));
    }
    char byte;
    expect(read(fd[0], &byte, 1) == 1 && byte == 'A' + 10, "read");
    expect(write(fd[0], "x", 1) == -1, "a read-only descriptor writes");
    expect(read(fd[1], &byte, 1) == -1, "a write-only descriptor reads");
    expect(write(fd[1], "!", 1) == 1, "write");
    expect(write(fd[3], "!", 1) == 1 && lseek(fd[3], 0, SEEK_CUR) == 101, "append");
    expect(write(fd[9], "!", 1) == 1, "write beyond the end");
    struct stat now;
    expect(fstat(fd[9], &now) == 0 && now.st_size == 100001, "size %ld", (long)now.st_size);
    pass();
}
