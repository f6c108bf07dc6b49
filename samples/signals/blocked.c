// The checkpoint falls into a system call that sleeps. The program must not notice: no EINTR, no early
// end, and waits for a signal are ended by that signal alone.
//#Links: pie musl
//#Variants: nanosleep clock_nanosleep poll select pause sigsuspend sigtimedwait futex
#include "../lib/sample.h"
#include <poll.h>
#include <sys/select.h>
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
        long answer = futex_wait(&word, 1, &span);
        result = answer == -ETIMEDOUT ? 0 : (int)-answer;
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
