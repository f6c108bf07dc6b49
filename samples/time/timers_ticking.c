// A POSIX timer that ticks every few milliseconds into its handler ticks on, and no tick gets lost: each signal says
// how many there were besides.
//#Variants: monotonic realtime boottime process thread
#include "timer.h"

#define EVERY 4000000LL

static volatile long long ticks;
static volatile int wrong;
static int id, real;

static void on_tick(int number, siginfo_t *info, void *context) {
    (void)number, (void)context;
    ticks += 1 + info->si_overrun;
    wrong |= info->si_code != SI_TIMER || info->si_timerid != id;
    // A clock of processor time begins anew, before the moment from which overruns of a waiting signal would count.
    wrong |= real && timer_overrun(id) != info->si_overrun;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *kind = argc > 2 ? argv[2] : "monotonic";
    clockid_t clock = kind[0] == 'm'   ? CLOCK_MONOTONIC
                      : kind[0] == 'r' ? CLOCK_REALTIME
                      : kind[0] == 'b' ? CLOCK_BOOTTIME
                      : kind[0] == 'p' ? CLOCK_PROCESS_CPUTIME_ID
                                       : CLOCK_THREAD_CPUTIME_ID;
    real = kind[0] != 'p' && kind[0] != 't';
    struct sigaction act = {0};
    act.sa_sigaction = on_tick;
    act.sa_flags = SA_RESTART | SA_SIGINFO;
    sigaction(SIGRTMIN, &act, NULL);
    id = timer_of(clock, SIGEV_SIGNAL, SIGRTMIN, 0, 0);
    expect(id >= 0, "timer_create");
    double start = monotonic();
    set_timer(id, 0, EVERY, EVERY);

    ready();
    // Busy, so that clocks of processor time go on, too.
    while (!go_is_there())
        for (volatile int i = 0; i < 200000; i++)
            ;
    SPOIL(1, set_timer(id, 0, 0, 0));
    SPOIL(2, id++);
    long long seen = ticks;
    double limit = monotonic() + (spoil_asked(1) ? 0.3 : 20);
    while (ticks < seen + 20 && monotonic() < limit)
        for (volatile int i = 0; i < 1000000; i++)
            ;
    expect(ticks >= seen + 20, "%lld ticks", ticks - seen);
    expect(!wrong, "what a signal said was not so");
    // Not more than there was time for.
    expect((double)ticks <= (monotonic() - start) * 1e9 / EVERY + 1, "%lld ticks in %f s", ticks, monotonic() - start);
    pass();
}
