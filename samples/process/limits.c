// Resource limits that the program has lowered, soft and hard ones.
#include "../lib/sample.h"
#include <sys/resource.h>

#define LIMITS 16

int main(int argc, char **argv) {
    sample_start(argc, argv);
    struct rlimit before[LIMITS];
    for (int i = 0; i < LIMITS; i++) {
        struct rlimit limit;
        expect(getrlimit(i, &limit) == 0, "getrlimit %d", i);
        // Far from what is needed here, and each different.
        rlim_t soft = (1UL << 33) + (rlim_t)i * 4096, hard = soft * 2;
        if (i == RLIMIT_CPU) {
            soft = 1000;
            hard = 2000;
        } else if (i == RLIMIT_NOFILE) {
            soft = 300;
            hard = 400;
        } else if (i == RLIMIT_STACK) {
            soft = 7UL << 20;
        } else if (i == RLIMIT_CORE) {
            soft = 0;
            hard = 0;
        }
        if (limit.rlim_max == RLIM_INFINITY || hard < limit.rlim_max)
            limit.rlim_max = hard;
        if (soft > limit.rlim_max)
            soft = limit.rlim_max;
        limit.rlim_cur = soft;
        expect(setrlimit(i, &limit) == 0, "setrlimit %d", i);
        expect(getrlimit(i, &before[i]) == 0, "getrlimit %d", i);
    }

    ready();
    wait_for_go();
    struct rlimit other = before[RLIMIT_NOFILE];
    other.rlim_cur--;
    SPOIL(1, setrlimit(RLIMIT_NOFILE, &other));
    other = before[RLIMIT_FSIZE];
    other.rlim_max--;
    SPOIL(2, setrlimit(RLIMIT_FSIZE, &other));
    for (int i = 0; i < LIMITS; i++) {
        struct rlimit now;
        expect(getrlimit(i, &now) == 0, "getrlimit %d", i);
        expect(now.rlim_cur == before[i].rlim_cur && now.rlim_max == before[i].rlim_max,
               "limit %d: %lx %lx instead of %lx %lx", i, (unsigned long)now.rlim_cur,
               (unsigned long)now.rlim_max, (unsigned long)before[i].rlim_cur, (unsigned long)before[i].rlim_max);
    }
    pass();
}
