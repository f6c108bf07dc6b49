// The checkpoint falls into a system call that sleeps. The program must not notice: no EINTR, no early
// end, and waits for a signal are ended by that signal alone.
//#Links: pie musl
//#Variants: nanosleep usleep clock_nanosleep poll by_number select epoll semtimedop pause sigsuspend sigtimedwait futex
#include "../lib/sample.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/time.h>

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
    if (strcmp(kind, "epoll") == 0) {
        ends[0] = epoll_create1(0);
    } else if (strcmp(kind, "semtimedop") == 0) {
        semaphore = semget(IPC_PRIVATE, 1, 0600);
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
