// POSIX timers of every clock and every manner of telling, with what was left, their interval and their numbers,
// which have gaps; one is not armed, one was, one only counts. A new timer gets a number that none has.
//#Ask: command
#include "timer.h"

#define TIMERS 16
// Numbers of the kernel's that old headers lack.
static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI, CLOCK_PROCESS_CPUTIME_ID,
                                   CLOCK_THREAD_CPUTIME_ID};
#define CLOCKS (sizeof clocks / sizeof *clocks)

static int ids[TIMERS];
static long long lefts[TIMERS], intervals[TIMERS];
static int count;

static void add(clockid_t clock, int kind, long long first, long long interval) {
    // One number in three is not used.
    if (count % 2 == 0)
        delete_timer(timer_of(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0));
    int tid = kind == 4 ? (int)syscall(SYS_gettid) : 0;
    ids[count] = timer_of(clock, kind, SIGRTMIN + count, 0x1234567800000000UL + (unsigned)count, tid);
    expect(ids[count] >= 0, "timer %d of clock %d", count, (int)clock);
    if (first)
        set_timer(ids[count], 0, first, interval);
    lefts[count] = first;
    intervals[count++] = first ? interval : 0;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    block_all();
    double start = monotonic();
    for (unsigned i = 0; i < CLOCKS; i++)
        add(clocks[i], SIGEV_SIGNAL, (1000 + i) * SECOND + 5, i % 2 ? (7 + i) * SECOND + 3 : 0);
    add(CLOCK_MONOTONIC, SIGEV_NONE, 2000 * SECOND, 0);
    add(CLOCK_REALTIME, SIGEV_NONE, 2000 * SECOND, 9 * SECOND);
    // SIGEV_THREAD is SIGEV_SIGNAL to the kernel, but shown as what it is.
    add(CLOCK_BOOTTIME, SIGEV_THREAD, 3000 * SECOND, SECOND);
    add(CLOCK_MONOTONIC, 4, 4000 * SECOND, 0);
    // Not armed: never; no more; expired, and taken; and one that only counted.
    add(CLOCK_MONOTONIC, SIGEV_SIGNAL, 0, 0);
    add(CLOCK_MONOTONIC, SIGEV_SIGNAL, 0, 0);
    set_timer(ids[count - 1], 0, 500 * SECOND, SECOND);
    set_timer(ids[count - 1], 0, 0, 0);
    add(CLOCK_REALTIME, SIGEV_SIGNAL, 0, 0);
    set_timer(ids[count - 1], 0, 1, 0);
    await_pending(SIGRTMIN + count - 1);
    siginfo_t info;
    expect(take_signal(SIGRTMIN + count - 1, &info), "the signal");
    add(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0);
    set_timer(ids[count - 1], 0, 1, 0);
    while (timer_left(ids[count - 1], NULL) != 0)
        ;

    ready();
    wait_for_go();
    SPOIL(1, set_timer(ids[2], 0, 0, 0));
    SPOIL(2, delete_timer(ids[9]));
    SPOIL(3, set_timer(ids[10], 0, SECOND, 0));
    SPOIL(4, set_timer(ids[1], 0, 1001 * SECOND, SECOND));
    SPOIL(5, timer_of(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0));
    SPOIL(6, set_timer(ids[4], 0, 1010 * SECOND, 0));
    SPOIL(7, set_timer(ids[7], 0, 2020 * SECOND, 9 * SECOND));

    double elapsed = monotonic() - start;
    for (int i = 0; i < count; i++) {
        long long interval = 0, left = timer_left(ids[i], &interval);
        expect(interval == intervals[i], "interval of %d: %lld", i, interval);
        if (lefts[i] == 0) {
            expect(left == 0, "%d is armed: %lld", i, left);
            continue;
        }
        // The time in which the program did not exist does not count; none of it passed on these processors either.
        expect(left <= lefts[i] && left >= lefts[i] - (long long)((elapsed + 1) * 1e9), "rest of %d: %lld", i, left);
        expect(timer_overrun(ids[i]) == 0, "overruns of %d", i);
    }
    // Each sends what it was to, to whom it was to; none is left over.
    for (int i = 0; i < count; i++) {
        int silent = i == 6 || i == 7 || i == count - 1;
        set_timer(ids[i], TIMER_ABSTIME, 1, 0);
        if (silent) {
            expect(timer_left(ids[i], NULL) == 0, "%d only counts", i);
        } else {
            await_pending(SIGRTMIN + i);
            expect(take_signal(SIGRTMIN + i, &info), "signal of %d", i);
            expect(info.si_code == SI_TIMER && info.si_value.sival_ptr == (void *)(0x1234567800000000UL + (unsigned)i),
                   "code %d, value %p of %d", info.si_code, info.si_value.sival_ptr, i);
            expect(info.si_timerid == ids[i], "number %d of %d", info.si_timerid, i);
        }
    }
    int fresh = timer_of(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0);
    for (int i = 0; i < count; i++)
        expect(fresh != ids[i] && delete_timer(ids[i]) == 0, "delete %d", i);
    expect(fresh >= 0 && delete_timer(fresh) == 0, "new timer");
    for (int id = 0; id < 64; id++)
        expect(timer_overrun(id) < 0, "timer %d is there", id);
    pass();
}
