// The checkpoint falls into a system call that sleeps. The program must not notice: no EINTR, no early
// end, and waits for a signal are ended by that signal alone.
//#Links: pie musl
//#Variants: nanosleep clock_nanosleep poll select pause sigsuspend sigtimedwait futex
#include "../lib/sample.h"
#include <poll.h>
#include <sys/select.h>
#include <sys/time.h>

static volatile int alarms;
static void on_alarm(int number) { alarms += number == SIGALRM; }

#define SECONDS 1

static void alarm_in(int seconds) {
    signal(SIGALRM, on_alarm);
    struct itimerval timer = {.it_value = {seconds, 0}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *kind = argc > 2 ? argv[2] : "nanosleep";
    struct timespec span = {SECONDS, 0};
    double start = monotonic();
    ready();

    long result;
    if (strcmp(kind, "nanosleep") == 0) {
        result = nanosleep(&span, NULL);
    } else if (strcmp(kind, "clock_nanosleep") == 0) {
        struct timespec until;
        syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &until);
        until.tv_sec += SECONDS;
        result = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    } else if (strcmp(kind, "poll") == 0) {
        result = poll(NULL, 0, SECONDS * 1000);
    } else if (strcmp(kind, "select") == 0) {
        struct timeval wait = {SECONDS, 0};
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
        result = syscall(SYS_futex, &word, 128 /* FUTEX_WAIT_PRIVATE */, 1, &span, NULL, 0) == -1 && errno == ETIMEDOUT
                     ? 0
                     : errno;
    } else {
        // pause and sigsuspend end when a handler has run, and not before.
        alarm_in(SECONDS);
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
    expect(took > SECONDS - 0.05, "%s ended after %.2f s", kind, took);
    pass();
}
