// What the kernel has made for a program and nobody could make again: descriptor 7, or a mapping. It is refused by
// name, and the program goes on and still has it.
//#Links: pie
//#Variants: io_uring io_uring_mapped secret secret_mapped perf fanotify vsock mptcp netlink busy_polling owner namespace huge_pages
#include "../lib/sample.h"
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static unsigned char *mapped;

// An io_uring of four entries, one of which is not submitted and one of which was completed.
static int make_ring(void) {
    struct io_uring_params about = {0};
    int ring = (int)syscall(SYS_io_uring_setup, 4, &about);
    expect(ring >= 0, "io_uring_setup");
    unsigned char *queues = mmap(NULL, about.sq_off.array + 4 * sizeof(unsigned), PROT_READ | PROT_WRITE, MAP_SHARED,
                                 ring, IORING_OFF_SQ_RING);
    expect(queues != MAP_FAILED, "mmap");
    struct io_uring_sqe *entries = mmap(NULL, 4 * sizeof *entries, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
    expect(entries != MAP_FAILED, "mmap");
    for (unsigned i = 0; i < 2; i++) {
        memset(&entries[i], 0, sizeof entries[i]);
        entries[i].opcode = IORING_OP_NOP;
        ((unsigned *)(queues + about.sq_off.array))[i] = i;
    }
    __atomic_store_n((unsigned *)(queues + about.sq_off.tail), 2, __ATOMIC_RELEASE);
    expect(syscall(SYS_io_uring_enter, ring, 1, 0, 0, NULL, 0) == 1, "io_uring_enter");
    mapped = queues;
    return ring;
}

static int make(const char *kind) {
    if (strcmp(kind, "io_uring") == 0)
        return make_ring();
    if (strcmp(kind, "io_uring_mapped") == 0) {
        close(make_ring());
        return open("/dev/null", O_RDWR);
    }
    if (strncmp(kind, "secret", 6) == 0) {
        int fd = (int)syscall(447 /* memfd_secret */, 0);
        expect(fd >= 0 && ftruncate(fd, PAGE) == 0, "memfd_secret");
        if (strcmp(kind, "secret") == 0)
            return fd;
        mapped = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        expect(mapped != MAP_FAILED, "mmap");
        mapped[0] = 1;
        close(fd);
        return open("/dev/null", O_RDWR);
    }
    if (strcmp(kind, "perf") == 0) {
        struct perf_event_attr about = {.type = PERF_TYPE_SOFTWARE, .size = sizeof about, .config = PERF_COUNT_SW_TASK_CLOCK,
                                        .exclude_kernel = 1, .exclude_hv = 1};
        return (int)syscall(SYS_perf_event_open, &about, 0, -1, -1, 0);
    }
    if (strcmp(kind, "fanotify") == 0)
        return (int)syscall(SYS_fanotify_init, 0x200 /* FAN_REPORT_FID */, 0);
    if (strcmp(kind, "vsock") == 0)
        return socket(AF_VSOCK, SOCK_STREAM, 0);
    if (strcmp(kind, "mptcp") == 0) {
        struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t length = sizeof here;
        int both[2] = {socket(AF_INET, SOCK_STREAM, 262 /* IPPROTO_MPTCP */), socket(AF_INET, SOCK_STREAM, 262)};
        expect(bind(both[0], (struct sockaddr *)&here, length) == 0 && listen(both[0], 1) == 0, "listen");
        getsockname(both[0], (struct sockaddr *)&here, &length);
        expect(connect(both[1], (struct sockaddr *)&here, length) == 0, "connect");
        int accepted = accept(both[0], NULL, NULL);
        expect(dup2(accepted, 8) == 8 && close(accepted) == 0 && close(both[0]) == 0, "accept");
        return both[1];
    }
    if (strcmp(kind, "netlink") == 0)
        return socket(AF_NETLINK, SOCK_RAW, 12 /* NETLINK_NETFILTER */);
    if (strcmp(kind, "busy_polling") == 0) {
        // EPIOCSPARAMS, since Linux 6.9.
        struct {
            uint32_t microseconds;
            uint16_t packets;
            uint8_t prefer, unused;
        } how = {50, 8, 0, 0};
        int fd = epoll_create1(0);
        expect(ioctl(fd, 0x40088a01, &how) == 0, "EPIOCSPARAMS");
        return fd;
    }
    if (strcmp(kind, "owner") == 0) {
        int two[2];
        expect(pipe(two) == 0 && fcntl(two[0], F_SETOWN, getppid()) == 0, "F_SETOWN");
        expect(fcntl(two[0], F_SETFL, O_ASYNC) == 0, "O_ASYNC");
        expect(dup2(two[1], 8) == 8, "dup2");
        return two[0];
    }
    if (strcmp(kind, "namespace") == 0)
        return open("/proc/self/ns/net", O_RDONLY);
    expect(strcmp(kind, "huge_pages") == 0, "%s", kind);
    mapped = mmap(NULL, 2 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE, -1, 0);
    expect(mapped != MAP_FAILED, "mmap");
    return open("/dev/null", O_RDWR);
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *kind = argc > 2 ? argv[2] : "io_uring";
    int fd = make(kind), readable;
    expect(fd >= 0 && dup2(fd, 7) == 7, "descriptor");
    if (fd != 7)
        close(fd);
    // There may be no huge pages.
    readable = mapped && strcmp(kind, "huge_pages") != 0;
    unsigned char before = readable ? mapped[0] : 0;
    ready();
    wait_for_go();
    SPOIL(1, close(7));
    expect(fcntl(7, F_GETFD) == 0, "descriptor 7");
    expect(!readable || mapped[0] == before, "the mapping");
    pass();
}
