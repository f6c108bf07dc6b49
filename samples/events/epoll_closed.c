// What epoll watches is a file under a number. The number is closed while the file lives on in another
// descriptor; it may be another file's by now, which may be watched under it as well.
//#Variants: closed reused both edge
//#Links: pie musl
#include "epoll.h"

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *kind = argc > 2 ? argv[2] : "closed";
    int both = strcmp(kind, "both") == 0, edge = strcmp(kind, "edge") == 0;
    int epoll = epoll_create1(0), ends[2];
    expect(epoll >= 0 && pipe(ends) == 0, "make");
    int number = fcntl(ends[0], F_DUPFD, 50), kept = eventfd(1, 0);
    uint32_t bits = edge ? EPOLLIN | EPOLLET : EPOLLIN;
    watch(epoll, EPOLL_CTL_ADD, number, bits, 1);
    watch(epoll, EPOLL_CTL_ADD, kept, EPOLLIN | EPOLLONESHOT, 2);
    if (edge)
        expect(write(ends[1], "x", 1) == 1, "write");
    close(number);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 3, .l_len = 4};
    if (strcmp(kind, "reused") == 0 || edge) {
        // A lock of the process's on the file that has the number now must not get lost.
        int file = open("locked", O_RDWR | O_CREAT, 0600);
        expect(dup2(file, number) == number && close(file) == 0, "dup2");
        expect(fcntl(number, F_SETLK, &lock) == 0, "lock");
    } else if (both) {
        int other = eventfd(0, 0);
        expect(dup2(other, number) == number && close(other) == 0, "dup2");
        watch(epoll, EPOLL_CTL_ADD, number, EPOLLIN, 3);
    }

    ready();
    wait_for_go();
    SPOIL(1, close(ends[0]));
    SPOIL(2, reported(epoll));
    SPOIL(3, dup2(ends[0], number));

    expect_reported(epoll, edge ? "1 2" : "2");
    expect_reported(epoll, "");
    expect(write(ends[1], "x", 1) == 1, "write");
    expect_reported(epoll, "1");
    if (both) {
        add(number, 1);
        expect_reported(epoll, "1 3");
        watch(epoll, EPOLL_CTL_DEL, number, 0, 0);
        expect_reported(epoll, "1");
    }
    struct epoll_event event = {EPOLLIN, {0}};
    int gone = epoll_ctl(epoll, EPOLL_CTL_MOD, number, &event);
    expect(gone == -1 && errno == (both ? ENOENT : strcmp(kind, "closed") == 0 ? EBADF : EPERM), "number");
    if (strcmp(kind, "reused") == 0 || edge) {
        struct stat stat;
        expect(fstat(number, &stat) == 0 && S_ISREG(stat.st_mode), "the number's own file");
        FILE *locks = fopen("/proc/self/fdinfo/50", "r");
        char line[200];
        int found = 0;
        while (locks && fgets(line, sizeof line, locks))
            found |= strstr(line, "POSIX") != NULL;
        expect(found, "lock");
    }
    // With its last descriptor the file is watched no more.
    close(ends[0]);
    expect_reported(epoll, "");
    pass();
}
