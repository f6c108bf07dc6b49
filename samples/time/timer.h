// POSIX timers by the kernel's own numbers.
#ifndef TIMER_H
#define TIMER_H

#include "../lib/sample.h"

#define SECOND 1000000000LL

// A timer with this number of a kind that the C libraries hand on as it is.
static inline int timer_of(clockid_t clock, int kind, int number, uint64_t value, int tid) {
    struct sigevent event = {0};
    event.sigev_notify = kind;
    event.sigev_signo = number;
    event.sigev_value.sival_ptr = (void *)value;
    // sigev_notify_thread_id, which not every C library names.
    memcpy((char *)&event + 16, &tid, sizeof tid);
    int id = -1;
    return syscall(SYS_timer_create, clock, &event, &id) == 0 ? id : -1;
}

static inline void set_timer(int id, int flags, long long first, long long interval) {
    struct itimerspec setting = {.it_value = {first / SECOND, first % SECOND},
                                 .it_interval = {interval / SECOND, interval % SECOND}};
    expect(syscall(SYS_timer_settime, id, flags, &setting, NULL) == 0, "timer_settime %d", id);
}

// What is left, and the interval if that is asked for.
static inline long long timer_left(int id, long long *interval) {
    struct itimerspec now;
    expect(syscall(SYS_timer_gettime, id, &now) == 0, "timer_gettime %d", id);
    if (interval)
        *interval = now.it_interval.tv_sec * SECOND + now.it_interval.tv_nsec;
    return now.it_value.tv_sec * SECOND + now.it_value.tv_nsec;
}

static inline int timer_overrun(int id) { return (int)syscall(SYS_timer_getoverrun, id); }
static inline int delete_timer(int id) { return (int)syscall(SYS_timer_delete, id); }

static inline long long clock_now(clockid_t clock) {
    struct timespec now;
    expect(syscall(SYS_clock_gettime, clock, &now) == 0, "clock %d", (int)clock);
    return now.tv_sec * SECOND + now.tv_nsec;
}

// Takes a pending signal of this number; 0 if there is none.
static inline int take_signal(int number, siginfo_t *info) {
    uint64_t only = 1UL << (number - 1);
    struct timespec none = {0, 0};
    memset(info, 0, sizeof *info);
    return syscall(SYS_rt_sigtimedwait, &only, info, &none, 8) == number;
}

// Waits until a signal of this number is pending for the caller or the process.
static inline void await_pending(int number) {
    sigset_t pending;
    do {
        short_sleep();
        sigpending(&pending);
    } while (!sigismember(&pending, number));
}

static inline void block_all(void) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
}

#endif
