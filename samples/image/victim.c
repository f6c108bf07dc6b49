// What images are spoilt of: a program with a little of everything, which says "pass" and ends as soon as the
// go file is there, so that it would be seen to run.
//#Links: static
#include "../lib/aio.h"
#include <arpa/inet.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/shm.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

int main(int argc, char **argv) {
    sample_start(argc, argv);
    // Private view of a file too large to travel in the image; one page changed.
    enum { LARGE = 300 * PAGE };
    static char block[LARGE];
    fill(block, LARGE, 1);
    make_file("large", block, LARGE);
    int file = open("large", O_RDWR);
    unsigned char *view = mmap(NULL, LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    expect(view != MAP_FAILED, "private view");
    view[5 * PAGE] = 1;
    unsigned char *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    expect(shared != MAP_FAILED, "shared view");
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 20};
    expect(fcntl(file, F_SETLK, &lock) == 0, "lock");
    int ends[2];
    expect(pipe2(ends, O_DIRECT) == 0 && write(ends[1], "one", 3) == 3 && write(ends[1], "two!", 4) == 4, "packets");
    int epoll = epoll_create1(0), counters[2] = {eventfd(7, 0), eventfd(0, 0)};
    struct epoll_event event = {.events = EPOLLIN, .data = {.u64 = 5}};
    for (int i = 0; i < 2; i++)
        expect(epoll_ctl(epoll, EPOLL_CTL_ADD, counters[i], &event) == 0, "epoll");
    int copy = dup(file);
    expect(copy > file, "dup");
    int notes = inotify_init();
    expect(inotify_add_watch(notes, "large", IN_DELETE_SELF) == 1, "inotify");
    expect(inotify_add_watch(notes, "/", IN_DELETE_SELF) == 2, "inotify");
    int clock = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec later = {.it_value = {1000, 0}, .it_interval = {7, 0}};
    expect(timerfd_settime(clock, 0, &later, NULL) == 0, "timerfd");
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    expect(master >= 0 && unlockpt(master) == 0, "terminal");
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    expect(slave >= 0 && write(slave, "shown", 5) == 5, "slave");
    pid_t child = fork();
    if (child == 0)
        _exit(7);
    siginfo_t end;
    expect(waitid(P_PID, (id_t)child, &end, WEXITED | WNOWAIT) == 0, "a child that has ended");
    int pair[2], size = 9000;
    expect(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "sockets");
    expect(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0, "option");
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.head = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    memcpy(CMSG_DATA(&control.head), &clock, sizeof clock);
    struct iovec word = {"word", 4};
    struct msghdr message = {.msg_iov = &word, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    expect(sendmsg(pair[0], &message, 0) == 4, "message");
    int member = socket(AF_INET, SOCK_DGRAM, 0), loopback = (int)htonl(1);
    in_addr_t here = htonl(INADDR_LOOPBACK);
    struct ip_mreq_source group = {.imr_multiaddr = {htonl(0xef010203)}, .imr_interface = {here}, .imr_sourceaddr = {here}};
    expect(setsockopt(member, IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, &group, sizeof group) == 0, "group");
    expect(setsockopt(member, IPPROTO_IP, 50 /* IP_UNICAST_IF */, &loopback, sizeof loopback) == 0, "interface");
    struct sockaddr_un place = {.sun_family = AF_UNIX, .sun_path = "listening"};
    int listening = socket(AF_UNIX, SOCK_STREAM, 0), waiting = socket(AF_UNIX, SOCK_STREAM, 0);
    expect(bind(listening, (struct sockaddr *)&place, sizeof place) == 0 && listen(listening, 2) == 0, "listen");
    expect(connect(waiting, (struct sockaddr *)&place, sizeof place) == 0, "connect");
    make_file("gone", block, 3 * PAGE);
    int gone = open("gone", O_RDONLY);
    expect(gone >= 0 && unlink("gone") == 0, "deleted file");
    int memory = (int)syscall(SYS_memfd_create, "victim", 2 /* MFD_ALLOW_SEALING */);
    expect(memory >= 0 && write(memory, block, 2 * PAGE) == 2 * PAGE, "memory file");
    expect(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0) != MAP_FAILED, "its view");
    int fifo = mkfifo("named pipe", 0600) == 0 ? open("named pipe", O_RDWR) : -1;
    expect(fifo >= 0 && write(fifo, "unread", 6) == 6, "FIFO");
    for (int i = 0; i < 2; i++) {
        uint64_t *object = map_anywhere(4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
        fill(object, 2 * PAGE, 2);
    }
    struct mq_attr room = {.mq_maxmsg = 2, .mq_msgsize = 8};
    char word_name[32];
    snprintf(word_name, sizeof word_name, "/ckpt-victim-%d", (int)getpid());
    mqd_t queue = mq_open(word_name, O_RDWR | O_CREAT | O_EXCL, 0600, &room);
    expect(queue >= 0 && mq_unlink(word_name) == 0, "message queue");
    expect(mq_send(queue, "one", 3, 1) == 0 && mq_send(queue, "two", 3, 2) == 0, "messages in it");
    int segment = shmget(IPC_PRIVATE, 2 * PAGE, 0600);
    fill(shmat(segment, NULL, 0), PAGE, 3);
    expect(shmctl(segment, IPC_RMID, NULL) == 0, "segment");
    expect(aio_read(aio_setup(1), file, 5, block, 7) == 1, "asynchronous read");
    unsigned char *guarded = map_private(4 * PAGE);
    guarded[0] = 1;
    madvise(guarded + PAGE, PAGE, 102);
    map_anywhere(PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS);
    unsigned char *one = map_private(PAGE);
    one[0] = 1;
    // MPOL_LOCAL.
    expect(syscall(SYS_mbind, one, PAGE, 4, NULL, 0UL, 0) == 0, "memory policy");
    sigset_t both;
    sigemptyset(&both);
    sigaddset(&both, SIGUSR1);
    sigaddset(&both, SIGRTMIN + 1);
    sigprocmask(SIG_BLOCK, &both, NULL);
    raise(SIGUSR1);
    kill(getpid(), SIGRTMIN + 1);
    timer_t timers[2];
    struct sigevent manner = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 2};
    expect(timer_create(CLOCK_MONOTONIC, &manner, &timers[0]) == 0, "timer");
    manner.sigev_notify = SIGEV_THREAD_ID;
    manner._sigev_un._tid = getpid();
    expect(timer_create(CLOCK_MONOTONIC, &manner, &timers[1]) == 0, "timer for a thread");
    expect(timer_settime(timers[1], 0, &later, NULL) == 0, "armed");
    struct itimerval timer = {.it_value = {1000, 0}, .it_interval = {7, 500000}};
    setitimer(ITIMER_REAL, &timer, NULL);

    ready();
    wait_for_go();
    expect(view[5 * PAGE] == 1 && guarded[0] == 1 && one[0] == 1, "memory");
    pass();
}
