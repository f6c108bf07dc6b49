// An interval timer that ticks every few milliseconds ticks on, one signal a period, into its handler.
//#Variants: real virtual prof
#include "../lib/sample.h"
#include <sys/time.h>

static volatile unsigned ticks;
static void on_tick(int number) {
    (void)number;
    ticks++;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *kind = argc > 2 ? argv[2] : "real";
    int which = strcmp(kind, "real") == 0 ? ITIMER_REAL : strcmp(kind, "prof") == 0 ? ITIMER_PROF : ITIMER_VIRTUAL;
    int number = which == ITIMER_REAL ? SIGALRM : which == ITIMER_PROF ? SIGPROF : SIGVTALRM;
    struct sigaction act = {0};
    act.sa_handler = on_tick;
    act.sa_flags = SA_RESTART;
    sigaction(number, &act, NULL);
    struct itimerval timer = {.it_value = {0, 5000}, .it_interval = {0, 5000}};
    setitimer(which, &timer, NULL);

    ready();
    // Busy, so that the timers that count processor time go on, too.
    while (!go_is_there())
        for (volatile int i = 0; i < 200000; i++)
            ;
    struct itimerval off = {0};
    SPOIL(1, setitimer(which, &off, NULL));
    unsigned seen = ticks;
    double limit = monotonic() + (spoil_asked(1) ? 0.3 : 20);
    // Time in the kernel does not count for all of the timers, so there is a call now and then only.
    while (ticks < seen + 20 && monotonic() < limit)
        for (volatile int i = 0; i < 1000000; i++)
            ;
    expect(ticks >= seen + 20, "%u ticks", ticks - seen);
    pass();
}
