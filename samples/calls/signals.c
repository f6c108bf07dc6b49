// Waits for signals, and waits that signals end: sigtimedwait, sigwaitinfo, sigsuspend, pause; nanosleep, read
// and poll that a handler without SA_RESTART ends, and read that one with SA_RESTART does not end. A signal
// that comes while a checkpoint is taken ends the call as any other.
//#Flags: -pthread
//#Links: pie musl
#include "calls.h"
#include <poll.h>

static __thread volatile int handled;
static void on_signal(int number) {
    (void)number;
    handled++;
}

enum { ENDS = 34 + 6, RESTARTS, WAITED, SUSPENDED };
static int number_of(struct wait *self) { return (int)(long)self->data; }

static void wake_once(struct wait *self) { pthread_kill(self->thread, number_of(self)); }

// A signal that comes before the call does not end it, by the program's own making; no machine is that busy often.
static void wake(struct wait *self) {
    wake_once(self);
    for (int i = 1; !self->ended; i++) {
        short_sleep();
        if (i % 1000 == 0) {
            calls_again++;
            wake_once(self);
        }
    }
}

static int after(int ok) {
    int error = errno;
    int count = handled;
    handled = 0;
    return !ok ? (error ? error : 1000) : count < 1 ? 1001 : 0;
}

static int timed(struct wait *self, struct timespec span) {
    (void)self;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, WAITED);
    return sigtimedwait(&set, NULL, &span) == -1 && errno == EAGAIN ? 0 : errno;
}

static int waited(struct wait *self, struct timespec span) {
    (void)self;
    sigset_t set;
    siginfo_t info;
    sigemptyset(&set);
    sigaddset(&set, WAITED);
    span.tv_sec = 3600;
    int got = span.tv_nsec && self->fd[0] ? sigtimedwait(&set, &info, &span) : sigwaitinfo(&set, &info);
    return got == WAITED ? 0 : got < 0 ? errno : 1000;
}

static int suspend(struct wait *self, struct timespec span) {
    (void)self, (void)span;
    sigset_t set;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    sigdelset(&set, SUSPENDED);
    int result = sigsuspend(&set);
    return after(result == -1 && errno == EINTR);
}

static int paused(struct wait *self, struct timespec span) {
    (void)self, (void)span;
    int result = pause();
    return after(result == -1 && errno == EINTR);
}

static int slept(struct wait *self, struct timespec span) {
    (void)self;
    struct timespec rest = {0, 0};
    span.tv_sec = 3600;
    int64_t start = calls_now();
    long pid = syscall(SYS_getpid);
    int result = nanosleep(&span, &rest);
    int64_t passed = calls_now() - start;
    int64_t missing = span.tv_sec * 1000000000LL + span.tv_nsec - (rest.tv_sec * 1000000000LL + rest.tv_nsec);
    // What a restore takes is no part of it.
    int right = missing > 0 && missing < passed && (missing > SPAN / 2 || pid != syscall(SYS_getpid));
    return after(result == -1 && errno == EINTR && right);
}

static int polled(struct wait *self, struct timespec span) {
    (void)span;
    struct pollfd fd = {self->fd[0], POLLIN, 0};
    int result = poll(&fd, 1, 3600000);
    return after(result == -1 && errno == EINTR);
}

static int read_ended(struct wait *self, struct timespec span) {
    (void)span;
    char c;
    ssize_t got = read(self->fd[0], &c, 1);
    return after(got == -1 && errno == EINTR);
}

static int read_on(struct wait *self, struct timespec span) {
    (void)span;
    char c;
    ssize_t got = read(self->fd[0], &c, 1);
    int error = errno, count = handled;
    handled = 0;
    return got == 1 ? (count == 1 ? 0 : 1001) : got < 0 ? error : 1000;
}
static void signal_then_write(struct wait *self) {
    wake_once(self);
    // The handler runs before there is something to read.
    for (int i = 0; i < 10; i++)
        short_sleep();
    expect(write(self->fd[1], "x", 1) == 1, "write");
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(ENDS, &action, NULL);
    sigaction(WAITED, &action, NULL);
    sigaction(SUSPENDED, &action, NULL);
    action.sa_flags = SA_RESTART;
    sigaction(RESTARTS, &action, NULL);
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, WAITED);
    sigaddset(&blocked, SUSPENDED);
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
    static struct wait all[] = {
        {.name = "sigtimedwait", .wait = timed},
        {.name = "sigtimedwait, signal", .wait = waited, .wake = wake_once, .data = (void *)WAITED, .fd = {1}},
        {.name = "sigwaitinfo", .wait = waited, .wake = wake_once, .data = (void *)WAITED},
        {.name = "sigsuspend", .wait = suspend, .wake = wake, .data = (void *)SUSPENDED},
        {.name = "pause", .wait = paused, .wake = wake, .data = (void *)ENDS},
        {.name = "pause, SA_RESTART", .wait = paused, .wake = wake, .data = (void *)RESTARTS},
        {.name = "nanosleep, signal", .wait = slept, .wake = wake, .data = (void *)ENDS},
        {.name = "poll, signal", .wait = polled, .wake = wake, .data = (void *)RESTARTS},
        {.name = "read, signal", .wait = read_ended, .wake = wake, .data = (void *)ENDS},
        {.name = "read, SA_RESTART", .wait = read_on, .wake = signal_then_write, .data = (void *)RESTARTS},
    };
    for (unsigned i = 5; i < sizeof all / sizeof *all; i++)
        expect(pipe(all[i].fd) == 0, "pipe");
    calls_wait(all, sizeof all / sizeof *all);
    SPOIL(1, all[0].abnormal++);
    calls_judge(all, sizeof all / sizeof *all);
}
