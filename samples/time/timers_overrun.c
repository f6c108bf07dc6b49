// What timer_getoverrun tells of the signal that was taken last is the same afterwards, and the timer goes on in its
// rhythm: in a handler that the checkpoint falls into, and after the signal was merely taken.
//#Variants: taken handler
#include "timer.h"

// Far apart, so that it does not fire before all is judged.
#define EVERY (100 * SECOND)

static int id, missed;

static void judge(void) {
    SPOIL(1, set_timer(id, 0, EVERY, EVERY));
    SPOIL(2, set_timer(id, 0, 0, 0));
    long long interval, left = timer_left(id, &interval);
    int overrun = timer_overrun(id);
    expect(overrun == missed, "overruns %d, %d before", overrun, missed);
    expect(interval == EVERY && left > 0 && left <= EVERY, "left %lld of %lld", left, interval);
    pass();
}

static void on_tick(int number, siginfo_t *info, void *context) {
    (void)number, (void)context;
    missed = info->si_overrun;
    ready();
    wait_for_go();
    judge();
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    id = timer_of(CLOCK_REALTIME, SIGEV_SIGNAL, SIGRTMIN + 1, 7, 0);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    // Due so long ago that three more were missed.
    set_timer(id, TIMER_ABSTIME, clock_now(CLOCK_REALTIME) - 7 * EVERY / 2, EVERY);
    await_pending(SIGRTMIN + 1);
    if (argc > 2 && strcmp(argv[2], "handler") == 0) {
        struct sigaction act = {0};
        act.sa_sigaction = on_tick;
        act.sa_flags = SA_SIGINFO;
        sigaction(SIGRTMIN + 1, &act, NULL);
        sigprocmask(SIG_UNBLOCK, &set, NULL);
    }
    siginfo_t info;
    expect(take_signal(SIGRTMIN + 1, &info), "the signal");
    missed = info.si_overrun;
    expect(missed >= 3, "overruns %d", missed);
    ready();
    wait_for_go();
    judge();
}
