// How the thread is scheduled: nice value, policy, processors it may run on, I/O priority, timer slack.
#include "../lib/sample.h"
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define IO_BEST_EFFORT_6 (2 << 13 | 6)

int main(int argc, char **argv) {
    sample_start(argc, argv);
    expect(setpriority(PRIO_PROCESS, 0, 5) == 0, "setpriority");
    struct sched_param none = {0};
    expect(syscall(SYS_sched_setscheduler, 0, SCHED_BATCH, &none) == 0, "sched_setscheduler");
    cpu_set_t all, one, now;
    expect(sched_getaffinity(0, sizeof all, &all) == 0, "sched_getaffinity");
    CPU_ZERO(&one);
    for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--)
        if (CPU_ISSET(cpu, &all)) {
            CPU_SET(cpu, &one);
            break;
        }
    expect(sched_setaffinity(0, sizeof one, &one) == 0, "sched_setaffinity");
    expect(syscall(SYS_ioprio_set, 1, 0, IO_BEST_EFFORT_6) == 0, "ioprio_set");
    expect(prctl(PR_SET_TIMERSLACK, 123456) == 0, "PR_SET_TIMERSLACK");

    ready();
    wait_for_go();
    SPOIL(1, setpriority(PRIO_PROCESS, 0, 6));
    SPOIL(2, syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &none));
    SPOIL(3, CPU_CLR(0, &one); sched_setaffinity(0, sizeof all, &all));
    SPOIL(4, syscall(SYS_ioprio_set, 1, 0, IO_BEST_EFFORT_6 + 1));
    SPOIL(5, prctl(PR_SET_TIMERSLACK, 50000));

    errno = 0;
    expect(getpriority(PRIO_PROCESS, 0) == 5 && errno == 0, "nice value %d", getpriority(PRIO_PROCESS, 0));
    expect(syscall(SYS_sched_getscheduler, 0) == SCHED_BATCH, "policy");
    expect(sched_getaffinity(0, sizeof now, &now) == 0 && CPU_EQUAL(&now, &one), "affinity");
    expect(syscall(SYS_ioprio_get, 1, 0) == IO_BEST_EFFORT_6, "I/O priority");
    expect(prctl(PR_GET_TIMERSLACK) == 123456, "timer slack %d", prctl(PR_GET_TIMERSLACK));
    pass();
}
