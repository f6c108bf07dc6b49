// File locks are held afterwards: ranges locked by the process (fcntl), by the open file (OFD), and whole
// files (flock). A child, which inherits no fcntl lock, is asked to try them.
#include "../lib/sample.h"
#include <sys/file.h>
#include <sys/wait.h>

// Whether another process could lock that now. 8: no; 7: yes.
static int others_can(const char *name, short type, off_t start, off_t length) {
    pid_t child = fork();
    if (child == 0) {
        int file = open(name, O_RDWR);
        struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
        _exit(fcntl(file, F_SETLK, &lock) == 0 ? 7 : 8);
    }
    int status;
    expect(waitpid(child, &status, 0) == child && WIFEXITED(status), "child");
    expect(WEXITSTATUS(status) == 7 || WEXITSTATUS(status) == 8, "child");
    return WEXITSTATUS(status) == 7;
}

static int others_can_flock(const char *name, int how) {
    int file = open(name, O_RDONLY);
    int can = flock(file, how | LOCK_NB) == 0;
    close(file);
    return can;
}

static void lock_range(int file, int command, short type, off_t start, off_t length) {
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    expect(fcntl(file, command, &lock) == 0, "lock");
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    make_file("posix", "0123456789", 10);
    make_file("ofd", "0123456789", 10);
    make_file("exclusive", "", 0);
    make_file("shared", "", 0);
    int posix = open("posix", O_RDWR);
    lock_range(posix, F_SETLK, F_WRLCK, 2, 3);
    lock_range(posix, F_SETLK, F_RDLCK, 100, 50);
    lock_range(posix, F_SETLK, F_WRLCK, 1 << 30, 0);
    int ofd = open("ofd", O_RDWR);
    lock_range(ofd, 37 /* F_OFD_SETLK */, F_WRLCK, 0, 5);
    int exclusive = open("exclusive", O_RDONLY), shared = open("shared", O_RDONLY);
    expect(flock(exclusive, LOCK_EX) == 0 && flock(shared, LOCK_SH) == 0, "flock");

    ready();
    wait_for_go();
    SPOIL(1, lock_range(posix, F_SETLK, F_UNLCK, 3, 1));
    SPOIL(2, lock_range(ofd, 37, F_UNLCK, 0, 0));
    SPOIL(3, flock(exclusive, LOCK_SH));
    SPOIL(4, flock(shared, LOCK_UN));
    SPOIL(5, lock_range(posix, F_SETLK, F_WRLCK, 100, 50));

    expect(!others_can("posix", F_RDLCK, 2, 1) && !others_can("posix", F_RDLCK, 3, 1) &&
               !others_can("posix", F_RDLCK, 4, 1),
           "write lock");
    expect(others_can("posix", F_WRLCK, 0, 2) && others_can("posix", F_WRLCK, 5, 95), "around it");
    expect(others_can("posix", F_RDLCK, 100, 50) && !others_can("posix", F_WRLCK, 149, 1), "read lock");
    expect(!others_can("posix", F_RDLCK, 1L << 40, 1), "lock to the end");
    expect(!others_can("ofd", F_WRLCK, 4, 1) && others_can("ofd", F_WRLCK, 5, 1), "OFD lock");
    expect(!others_can_flock("exclusive", LOCK_SH), "exclusive flock");
    expect(others_can_flock("shared", LOCK_SH) && !others_can_flock("shared", LOCK_EX), "shared flock");
    // They are ours still, to be given up.
    lock_range(posix, F_SETLK, F_UNLCK, 0, 0);
    flock(exclusive, LOCK_UN);
    expect(others_can("posix", F_WRLCK, 0, 0) && others_can_flock("exclusive", LOCK_EX), "giving up");
    pass();
}
