// Counters of eventfd(2): value, semaphore or not, flags, and one that two descriptors share.
//#Variants: counter semaphore nonblocking dup full
//#Links: pie musl
#include "../lib/sample.h"
#include <poll.h>
#include <sys/eventfd.h>

static void add(int fd, uint64_t value) { expect(write(fd, &value, sizeof value) == sizeof value, "write"); }

static uint64_t take(int fd) {
    uint64_t value;
    return read(fd, &value, sizeof value) == sizeof value ? value : 0;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *kind = argc > 2 ? argv[2] : "counter";
    int semaphore = strcmp(kind, "semaphore") == 0, full = strcmp(kind, "full") == 0;
    int nonblocking = strcmp(kind, "nonblocking") == 0;
    // More than eventfd(2) itself takes.
    uint64_t value = semaphore ? 5 : full ? UINT64_MAX - 1 : 0x500000007;
    int flags = (semaphore ? EFD_SEMAPHORE : 0) | (nonblocking ? EFD_NONBLOCK | EFD_CLOEXEC : 0);
    int fd = eventfd(3, flags), empty = eventfd(0, flags);
    expect(fd >= 0 && empty >= 0, "eventfd");
    add(fd, value - 3);
    int other = strcmp(kind, "dup") == 0 ? dup(fd) : -1;

    ready();
    wait_for_go();
    SPOIL(1, take(fd));
    SPOIL(2, fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) ^ O_NONBLOCK));
    SPOIL(3, fcntl(empty, F_SETFD, fcntl(empty, F_GETFD) ^ FD_CLOEXEC));
    SPOIL(4, add(empty, 1));

    for (int i = 0; i < 2; i++) {
        int it = i ? empty : fd;
        expect(fcntl(it, F_GETFL) == (O_RDWR | (nonblocking ? O_NONBLOCK : 0)), "flags");
        expect(fcntl(it, F_GETFD) == (nonblocking ? FD_CLOEXEC : 0), "close-on-exec");
    }
    struct pollfd both[2] = {{fd, POLLIN | POLLOUT, 0}, {empty, POLLIN | POLLOUT, 0}};
    expect(poll(both, 2, 0) == 2, "poll");
    expect(both[0].revents == (full ? POLLIN : POLLIN | POLLOUT) && both[1].revents == POLLOUT, "ready for");
    if (other >= 0) {
        expect(fcntl(other, F_SETFL, O_NONBLOCK) == 0 && (fcntl(fd, F_GETFL) & O_NONBLOCK), "shared");
        add(other, 4);
        value += 4;
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    fcntl(empty, F_SETFL, O_NONBLOCK);
    for (uint64_t i = 0; i < (semaphore ? value : 1); i++)
        expect(take(fd) == (semaphore ? 1 : value), "value, read %d", (int)i);
    expect(take(fd) == 0 && errno == EAGAIN, "more than there was");
    expect(take(empty) == 0 && errno == EAGAIN, "not empty");
    add(empty, 2);
    expect(take(empty) == (semaphore ? 1 : 2), "mode");
    pass();
}
