// The checkpoint falls into a system call that sleeps. The program must not notice: no EINTR, no early
// end, and waits for a signal are ended by that signal alone.
//#Flags: -pthread
//#Links: pie musl
//#Variants: nanosleep usleep clock_nanosleep poll by_number select epoll semtimedop pause sigsuspend sigtimedwait futex recv recvmsg recvmmsg read readv accept send sendmsg write writev pselect ppoll epoll_pwait epoll_pwait2 msgrcv
#include "../lib/sample.h"
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>

// The call itself, as the C libraries make it: not through syscall(2), whose callers' numbers are not known in
// musl, where it has them on the stack.
static long futex_wait(int *word, long value, struct timespec *span) {
    long answer = SYS_futex;
    register void *time __asm__("r10") = span;
    __asm__ volatile("mov $202, %%eax\n\tsyscall"
                     : "=a"(answer)
                     : "D"(word), "S"(128L /* FUTEX_WAIT_PRIVATE */), "d"(value), "r"(time)
                     : "rcx", "r11", "memory");
    return answer;
}

// Calls on a socket with a time-out.
static const char *const on_socket[] = {"recv",   "recvmsg", "recvmmsg", "read",  "readv",
                                        "accept", "send",    "sendmsg",  "write", "writev"};

static int is_among(const char *kind, const char *const *all, unsigned count) {
    for (unsigned i = 0; i < count; i++)
        if (strcmp(kind, all[i]) == 0)
            return 1;
    return 0;
}
#define IS_AMONG(kind, all) is_among(kind, all, sizeof all / sizeof *all)

// A socket at which nobody calls, to which nothing comes, and that has no room to send.
static int silent(const char *kind, int seconds) {
    struct timeval wait = {seconds, 0};
    int ends[2];
    if (strcmp(kind, "accept") == 0) {
        struct sockaddr_un any = {.sun_family = AF_UNIX};
        ends[0] = socket(AF_UNIX, SOCK_STREAM, 0);
        expect(bind(ends[0], (struct sockaddr *)&any, sizeof any.sun_family) == 0, "bind");
        expect(listen(ends[0], 1) == 0, "listen");
    } else {
        static char much[4096];
        expect(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
        while (send(ends[0], much, sizeof much, MSG_DONTWAIT) > 0)
            ;
    }
    expect(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0, "SO_RCVTIMEO");
    expect(setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) == 0, "SO_SNDTIMEO");
    return ends[0];
}

static long call_on_socket(const char *kind, int fd) {
    char c = 0;
    struct iovec part = {&c, 1};
    struct mmsghdr message = {.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}};
    long got;
    errno = 0;
    if (strcmp(kind, "recv") == 0)
        got = recv(fd, &c, 1, 0);
    else if (strcmp(kind, "recvmsg") == 0)
        got = recvmsg(fd, &message.msg_hdr, 0);
    else if (strcmp(kind, "recvmmsg") == 0)
        got = recvmmsg(fd, &message, 1, 0, NULL);
    else if (strcmp(kind, "read") == 0)
        got = read(fd, &c, 1);
    else if (strcmp(kind, "readv") == 0)
        got = readv(fd, &part, 1);
    else if (strcmp(kind, "accept") == 0)
        got = accept(fd, NULL, NULL);
    else if (strcmp(kind, "send") == 0)
        got = send(fd, &c, 1, 0);
    else if (strcmp(kind, "sendmsg") == 0)
        got = sendmsg(fd, &message.msg_hdr, 0);
    else if (strcmp(kind, "write") == 0)
        got = write(fd, &c, 1);
    else
        got = writev(fd, &part, 1);
    return got == -1 && errno == EAGAIN ? 0 : got == -1 ? errno : 1000 + got;
}

// Calls that glibc makes by other code in programs with threads.
static const char *const with_thread[] = {"pselect", "ppoll", "epoll_pwait", "epoll_pwait2", "msgrcv"};

static void *another(void *set) {
    int number;
    sigwait(set, &number);
    return NULL;
}

static void make_another(void) {
    static sigset_t none;
    pthread_t thread;
    sigemptyset(&none);
    expect(pthread_create(&thread, NULL, another, &none) == 0, "pthread_create");
}

// Only glibc has it.
static int wait_2(int epoll, struct epoll_event *event, struct timespec *span) {
#ifdef __GLIBC__
    return epoll_pwait2(epoll, event, 1, span, NULL);
#else
    return epoll_wait(epoll, event, 1, (int)span->tv_sec * 1000);
#endif
}

static volatile int alarms;
static void on_alarm(int number) { alarms += number == SIGALRM; }

// For how long it waits; a third argument says otherwise.
static int seconds = 1;

static void alarm_in(int seconds) {
    signal(SIGALRM, on_alarm);
    struct itimerval timer = {.it_value = {seconds, 0}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *kind = argc > 2 ? argv[2] : "nanosleep";
    if (argc > 3)
        seconds = atoi(argv[3]);
    struct timespec span = {seconds, 0};
    int semaphore = -1, ends[2] = {-1, -1};
    if (IS_AMONG(kind, with_thread))
        make_another();
    if (strncmp(kind, "epoll", 5) == 0) {
        ends[0] = epoll_create1(0);
    } else if (strcmp(kind, "semtimedop") == 0) {
        semaphore = semget(IPC_PRIVATE, 1, 0600);
    } else if (strcmp(kind, "msgrcv") == 0) {
        semaphore = msgget(IPC_PRIVATE, 0600);
    } else if (IS_AMONG(kind, on_socket)) {
        ends[0] = silent(kind, seconds);
    }
    double start = monotonic();
    ready();

    long result;
    if (strcmp(kind, "nanosleep") == 0) {
        result = nanosleep(&span, NULL);
    } else if (strcmp(kind, "usleep") == 0) {
        result = usleep(seconds * 1000000);
    } else if (strcmp(kind, "by_number") == 0) {
        result = syscall(SYS_poll, NULL, 0, seconds * 1000);
    } else if (strcmp(kind, "epoll") == 0) {
        struct epoll_event event;
        result = epoll_wait(ends[0], &event, 1, seconds * 1000);
    } else if (strcmp(kind, "semtimedop") == 0) {
        struct sembuf take = {0, -1, 0};
        errno = 0;
        result = semtimedop(semaphore, &take, 1, &span) == -1 && errno == EAGAIN ? 0 : errno;
        semctl(semaphore, 0, IPC_RMID);
    } else if (strcmp(kind, "pselect") == 0) {
        result = pselect(0, NULL, NULL, NULL, &span, NULL);
    } else if (strcmp(kind, "ppoll") == 0) {
        result = ppoll(NULL, 0, &span, NULL);
    } else if (strcmp(kind, "epoll_pwait") == 0) {
        struct epoll_event event;
        result = epoll_pwait(ends[0], &event, 1, seconds * 1000, NULL);
    } else if (strcmp(kind, "epoll_pwait2") == 0) {
        struct epoll_event event;
        result = wait_2(ends[0], &event, &span);
    } else if (strcmp(kind, "msgrcv") == 0) {
        // A handler ends it: it has no time.
        struct { long type; char text[8]; } message;
        alarm_in(seconds);
        errno = 0;
        result = msgrcv(semaphore, &message, 8, 0, 0) == -1 && errno == EINTR && alarms == 1 ? 0 : 1000 + alarms;
        msgctl(semaphore, IPC_RMID, NULL);
    } else if (IS_AMONG(kind, on_socket)) {
        result = call_on_socket(kind, ends[0]);
    } else if (strcmp(kind, "clock_nanosleep") == 0) {
        struct timespec until;
        syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &until);
        until.tv_sec += seconds;
        result = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    } else if (strcmp(kind, "poll") == 0) {
        result = poll(NULL, 0, seconds * 1000);
    } else if (strcmp(kind, "select") == 0) {
        struct timeval wait = {seconds, 0};
        result = select(0, NULL, NULL, NULL, &wait);
    } else if (strcmp(kind, "sigtimedwait") == 0) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        errno = 0;
        result = sigtimedwait(&set, NULL, &span) == -1 && errno == EAGAIN ? 0 : errno;
    } else if (strcmp(kind, "futex") == 0) {
        int word = 1;
        errno = 0;
        long answer = futex_wait(&word, 1, &span);
        result = answer == -ETIMEDOUT ? 0 : (int)-answer;
    } else {
        // pause and sigsuspend end when a handler has run, and not before.
        alarm_in(seconds);
        sigset_t none;
        sigemptyset(&none);
        if (strcmp(kind, "sigsuspend") == 0)
            sigsuspend(&none);
        else
            pause();
        result = alarms == 1 ? 0 : 1000 + alarms;
    }
    double took = monotonic() - start;
    wait_for_go();
    SPOIL(1, took = 0.5);
    SPOIL(2, result = EINTR);
    expect(result == 0, "%s gave %ld", kind, result);
    expect(took > seconds - 0.05, "%s ended after %.2f s", kind, took);
    pass();
}
