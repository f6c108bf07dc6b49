// /dev/null, zero, full, random and urandom are the same devices afterwards.
#include "../lib/sample.h"
#include <sys/sysmacros.h>

static const struct {
    const char *path;
    unsigned minor_number;
} kinds[] = {{"/dev/null", 3}, {"/dev/zero", 5}, {"/dev/full", 7}, {"/dev/random", 8}, {"/dev/urandom", 9}};

int main(int argc, char **argv) {
    sample_start(argc, argv);
    int fd[5];
    for (int i = 0; i < 5; i++)
        expect((fd[i] = open(kinds[i].path, O_RDWR | (i % 2 ? O_CLOEXEC : O_NONBLOCK))) >= 0, "%s",
               kinds[i].path);

    ready();
    wait_for_go();
    SPOIL(1, dup2(fd[1], fd[0]));
    SPOIL(2, dup2(fd[0], fd[4]));

    char bytes[32] = {1};
    for (int i = 0; i < 5; i++) {
        struct stat is;
        expect(fstat(fd[i], &is) == 0 && S_ISCHR(is.st_mode) && major(is.st_rdev) == 1 &&
                   minor(is.st_rdev) == kinds[i].minor_number,
               "%s", kinds[i].path);
        expect(fcntl(fd[i], F_GETFD) == (i % 2 ? FD_CLOEXEC : 0), "%s: F_GETFD", kinds[i].path);
        expect(((fcntl(fd[i], F_GETFL) & O_NONBLOCK) == 0) == (i % 2 == 1), "%s: F_GETFL", kinds[i].path);
    }
    expect(read(fd[0], bytes, 32) == 0, "null");
    expect(read(fd[1], bytes, 32) == 32 && bytes[0] == 0, "zero");
    expect(write(fd[2], bytes, 1) == -1 && errno == ENOSPC, "full");
    expect(read(fd[3], bytes, 16) == 16 && read(fd[4], bytes, 16) == 16, "random");
    pass();
}
