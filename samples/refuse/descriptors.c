// Descriptors that a checkpoint cannot carry: descriptor 7 is one of them. It is refused by name, and the
// program goes on and still has it.
//#Variants: lost_name pipe fifo fifo_read fifo_replaced memfd_huge lease_breaking proc_other proc_thread proc_message long_path unix_pair unix_message unix_listening tcp tcp_waiting udp multicast epoll timerfd_cancelled inotify_unread inotify_hidden inotify_unlinked pidfd pidfd_ended pidfd_thread userfault
//#Flags: -pthread
#include "../lib/away.h"
#include <netinet/in.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>

// An epoll instance that watches a file which only another process has, and no child of this one.
static int watch_what_is_elsewhere(void) {
    int epoll = epoll_create1(0), counter = eventfd(0, 0);
    struct epoll_event event = {.events = EPOLLIN};
    expect(epoll_ctl(epoll, EPOLL_CTL_ADD, counter, &event) == 0, "epoll_ctl");
    pid_t self = getpid(), child = fork();
    expect(child >= 0, "fork");
    if (child == 0) {
        if (fork() == 0) {
            close(epoll);
            for (int i = 0; i < 60000 && kill(self, 0) == 0; i++)
                short_sleep();
        }
        _exit(0);
    }
    expect(waitpid(child, NULL, 0) == child, "wait");
    close(counter);
    return epoll;
}

static volatile pid_t second;
static void *sleep_on(void *unused) {
    second = (pid_t)syscall(SYS_gettid);
    while (1)
        pause();
    return unused;
}

// An end of a FIFO, of which a process that is no child of this one has the other.
static int open_half_fifo(int access) {
    expect(mkfifo("fifo", 0600) == 0, "mkfifo");
    int both = open("fifo", O_RDWR), two[2] = {open("fifo", access), open("fifo", O_WRONLY - access)};
    expect(two[0] >= 0 && two[1] >= 0, "open");
    close(both);
    give_away(two);
    return two[0];
}

static void start_second(void) {
    pthread_t thread;
    expect(pthread_create(&thread, NULL, sleep_on, NULL) == 0, "thread");
    while (!second)
        short_sleep();
}

// The receiving end of sockets between which a message with descriptors waits.
static int in_message(const int sent[3]) {
    int two[2];
    expect(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, two) == 0, "socketpair");
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(3 * sizeof sent[0])];
    } control = {.head = {.cmsg_len = CMSG_LEN(3 * sizeof sent[0]), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    memcpy(CMSG_DATA(&control.head), sent, 3 * sizeof sent[0]);
    struct iovec data = {"x", 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    expect(sendmsg(two[1], &message, 0) == 1, "sendmsg");
    for (int i = 0; i < 3; i++)
        close(sent[i]);
    return two[0];
}

static int make(const char *kind) {
    int two[2] = {-1, -1};
    if (strcmp(kind, "pipe") == 0) {
        expect(pipe(two) == 0, "pipe");
        expect(write(two[1], "x", 1) == 1, "write");
        give_away(two);
        return two[0];
    }
    if (strcmp(kind, "fifo") == 0) {
        return open_half_fifo(O_WRONLY);
    }
    if (strcmp(kind, "fifo_read") == 0)
        return open_half_fifo(O_RDONLY);
    if (strcmp(kind, "fifo_replaced") == 0) {
        expect(mkfifo("fifo", 0600) == 0 && link("fifo", "other") == 0, "mkfifo");
        int fd = open("fifo", O_RDWR);
        unlink("fifo");
        return fd;
    }
    if (strcmp(kind, "lost_name") == 0) {
        int fd = open("file", O_RDWR | O_CREAT, 0600);
        expect(mkdir("folder", 0700) == 0 && link("file", "folder/file") == 0 && unlink("file") == 0, "link");
        return fd;
    }
    if (strcmp(kind, "memfd_huge") == 0)
        return (int)syscall(SYS_memfd_create, "large", 4 /* MFD_HUGETLB */);
    if (strcmp(kind, "lease_breaking") == 0) {
        int fd = open("leased", O_RDWR | O_CREAT, 0600);
        signal(SIGIO, SIG_IGN);
        expect(dup2(fd, 7) == 7 && fcntl(7, F_SETLEASE, F_WRLCK) == 0 && close(fd) == 0, "lease");
        pid_t child = fork();
        if (child == 0)
            _exit(open("leased", O_WRONLY | O_NONBLOCK) < 0 && errno == EWOULDBLOCK ? 0 : 1);
        int status = -1;
        expect(waitpid(child, &status, 0) == child && status == 0, "open");
        return 7;
    }
    if (strcmp(kind, "proc_other") == 0) {
        char name[64];
        snprintf(name, sizeof name, "/proc/%d/stat", (int)getppid());
        return open(name, O_RDONLY);
    }
    if (strcmp(kind, "proc_thread") == 0) {
        start_second();
        char name[64];
        snprintf(name, sizeof name, "/proc/self/task/%d/mounts", (int)second);
        return open(name, O_RDONLY);
    }
    if (strcmp(kind, "long_path") == 0) {
        int start = open(".", O_RDONLY | O_DIRECTORY);
        char name[201];
        memset(name, 'n', 200), name[200] = 0;
        for (int i = 0; i < 21; i++)
            expect(mkdir(name, 0700) == 0 && chdir(name) == 0, "mkdir");
        int fd = open("file", O_RDWR | O_CREAT, 0600);
        expect(fchdir(start) == 0 && close(start) == 0, "fchdir");
        return fd;
    }
    if (strcmp(kind, "unix_pair") == 0) {
        expect(socketpair(AF_UNIX, SOCK_STREAM, 0, two) == 0, "socketpair");
        give_away(two);
        return two[0];
    }
    if (strcmp(kind, "unix_message") == 0) {
        // Descriptors in a message that waits: one that is carried, then one that is not.
        int sent[3] = {open("/dev/null", O_RDONLY)};
        for (int i = 1; i < 3; i++)
            sent[i] = (int)syscall(434 /* pidfd_open */, getppid(), 0);
        return in_message(sent);
    }
    if (strcmp(kind, "proc_message") == 0) {
        start_second();
        char name[64];
        snprintf(name, sizeof name, "/proc/self/task/%d/stat", (int)second);
        int sent[3] = {open(name, O_RDONLY), dup(0), dup(0)};
        return in_message(sent);
    }
    if (strcmp(kind, "unix_listening") == 0) {
        // A process that is no child waits to be accepted.
        struct sockaddr_un here = {.sun_family = AF_UNIX, .sun_path = "listening"};
        two[0] = socket(AF_UNIX, SOCK_STREAM, 0);
        two[1] = socket(AF_UNIX, SOCK_STREAM, 0);
        expect(bind(two[0], (struct sockaddr *)&here, sizeof here) == 0 && listen(two[0], 3) == 0, "listen");
        expect(connect(two[1], (struct sockaddr *)&here, sizeof here) == 0, "connect");
        give_away(two);
        return two[0];
    }
    if (strcmp(kind, "tcp") == 0) {
        // Connected to a listener that only another process has.
        int listener = socket(AF_INET, SOCK_STREAM, 0);
        struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t length = sizeof here;
        expect(bind(listener, (struct sockaddr *)&here, length) == 0 && listen(listener, 1) == 0, "listen");
        getsockname(listener, (struct sockaddr *)&here, &length);
        two[0] = socket(AF_INET, SOCK_STREAM, 0);
        two[1] = listener;
        expect(connect(two[0], (struct sockaddr *)&here, length) == 0, "connect");
        give_away(two);
        return two[0];
    }
    if (strcmp(kind, "tcp_waiting") == 0 || strcmp(kind, "udp") == 0) {
        // A process that is no child waits to be accepted, or has sent something.
        int type = kind[0] == 't' ? SOCK_STREAM : SOCK_DGRAM;
        struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t length = sizeof here;
        two[0] = socket(AF_INET, type, 0);
        two[1] = socket(AF_INET, type, 0);
        expect(bind(two[0], (struct sockaddr *)&here, length) == 0, "bind");
        expect(type == SOCK_DGRAM || listen(two[0], 3) == 0, "listen");
        getsockname(two[0], (struct sockaddr *)&here, &length);
        expect(connect(two[1], (struct sockaddr *)&here, length) == 0, "connect");
        expect(type == SOCK_STREAM || send(two[1], "x", 1, 0) == 1, "send");
        give_away(two);
        return two[0];
    }
    if (strcmp(kind, "multicast") == 0) {
        // Sent to all of the group, it could not be sent again to this socket alone.
        int member = socket(AF_INET, SOCK_DGRAM, 0), sender = socket(AF_INET, SOCK_DGRAM, 0);
        struct ip_mreqn group = {.imr_multiaddr = {htonl(0xefff0102)}, .imr_ifindex = 1};
        struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr = group.imr_multiaddr};
        struct in_addr loopback = {htonl(INADDR_LOOPBACK)};
        socklen_t length = sizeof here;
        expect(setsockopt(member, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group) == 0, "join");
        expect(bind(member, (struct sockaddr *)&here, length) == 0, "bind");
        getsockname(member, (struct sockaddr *)&here, &length);
        expect(setsockopt(sender, IPPROTO_IP, IP_MULTICAST_IF, &loopback, sizeof loopback) == 0, "interface");
        expect(sendto(sender, "x", 1, 0, (struct sockaddr *)&here, length) == 1, "sendto");
        struct pollfd arrived = {.fd = member, .events = POLLIN};
        expect(poll(&arrived, 1, 20000) == 1, "it is there");
        return member;
    }
    if (strcmp(kind, "epoll") == 0)
        return watch_what_is_elsewhere();
    if (strcmp(kind, "timerfd_cancelled") == 0) {
        // As a change of the clock leaves it: it has ticked and still runs. Setting the clock is not ours to do.
        int fd = timerfd_create(CLOCK_REALTIME, 0);
        struct itimerspec far = {.it_value = {1L << 33, 0}};
        uint64_t one = 1;
        expect(timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far, NULL) == 0, "timerfd");
        expect(ioctl(fd, 0x40085400 /* TFD_IOC_SET_TICKS */, &one) == 0, "ticks");
        return fd;
    }
    if (strncmp(kind, "inotify", 7) == 0) {
        int fd = inotify_init1(0);
        expect(mkdir("deep", 0700) == 0 && mkdir("deep/er", 0700) == 0, "mkdir");
        if (strcmp(kind, "inotify_unlinked") == 0) {
            close(open("deep/file", O_WRONLY | O_CREAT, 0600));
            open("deep/file", O_RDONLY);
            expect(inotify_add_watch(fd, "deep/file", IN_MODIFY) == 1 && unlink("deep/file") == 0, "watch");
            return fd;
        }
        int hidden = strcmp(kind, "inotify_hidden") == 0;
        expect(inotify_add_watch(fd, "deep/er", hidden ? IN_ALL_EVENTS : IN_CREATE) == 1, "watch");
        expect(hidden || mkdir("deep/er/new", 0700) == 0, "mkdir");
        return fd;
    }
    if (strcmp(kind, "pidfd") == 0)
        return (int)syscall(434 /* pidfd_open */, getppid(), 0);
    if (strcmp(kind, "pidfd_ended") == 0) {
        pid_t child = fork();
        if (child == 0)
            _exit(0);
        int fd = (int)syscall(434, child, 0);
        expect(waitpid(child, NULL, 0) == child, "wait");
        return fd;
    }
    if (strcmp(kind, "pidfd_thread") == 0) {
        start_second();
        return (int)syscall(434, second, O_EXCL /* PIDFD_THREAD */);
    }
    if (strcmp(kind, "userfault") == 0)
        return (int)syscall(323 /* userfaultfd */, 1 /* UFFD_USER_MODE_ONLY */);
    FAIL("variant %s", kind);
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    int fd = make(argc > 2 ? argv[2] : "pipe");
    expect(fd >= 0, "make");
    if (fd != 7) {
        expect(dup2(fd, 7) == 7, "dup2");
        close(fd);
    }
    struct stat before, now;
    fstat(7, &before);
    ready();
    wait_for_go();
    SPOIL(1, close(7));
    expect(fstat(7, &now) == 0 && now.st_ino == before.st_ino && now.st_mode == before.st_mode, "it is gone");
    pass();
}
