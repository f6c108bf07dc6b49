// The three interval timers are armed with what remained, and with their interval.
#include "../lib/sample.h"
#include <sys/time.h>

static const int kinds[] = {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF};

int main(int argc, char **argv) {
    sample_start(argc, argv);
    double start = monotonic();
    for (int i = 0; i < 3; i++) {
        struct itimerval timer = {.it_value = {1000 + i, 0}, .it_interval = {7 + i, 500000}};
        expect(setitimer(kinds[i], &timer, NULL) == 0, "setitimer");
    }

    ready();
    wait_for_go();
    struct itimerval off = {0};
    SPOIL(1, setitimer(ITIMER_REAL, &off, NULL));
    SPOIL(2, setitimer(ITIMER_PROF, &off, NULL));
    off = (struct itimerval){.it_value = {1001, 0}, .it_interval = {7, 0}};
    SPOIL(3, setitimer(ITIMER_VIRTUAL, &off, NULL));
    off = (struct itimerval){.it_value = {2000, 0}, .it_interval = {7, 500000}};
    SPOIL(4, setitimer(ITIMER_REAL, &off, NULL));

    double elapsed = monotonic() - start;
    for (int i = 0; i < 3; i++) {
        struct itimerval now;
        expect(getitimer(kinds[i], &now) == 0, "getitimer");
        expect(now.it_interval.tv_sec == 7 + i && now.it_interval.tv_usec == 500000, "interval of %d: %ld.%06ld",
               i, (long)now.it_interval.tv_sec, (long)now.it_interval.tv_usec);
        double rest = (double)now.it_value.tv_sec + (double)now.it_value.tv_usec / 1e6;
        // The time in which the program did not exist need not count, so: between all of it and none.
        expect(rest <= 1000 + i + 0.02 && rest >= 1000 + i - elapsed - 1, "rest of %d: %.3f s", i, rest);
    }
    pass();
}
