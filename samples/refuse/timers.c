// POSIX timers that cannot be made again: of a thread that has ended, which was to get the signal or whose time on the
// processor was counted, and on the clock of another process.
//#Flags: -pthread
//#Variants: target clock process
//#Links: pie static musl
#include "../time/timer.h"
#include <pthread.h>

static const char *kind;
static int id = -1;

static void *run(void *argument) {
    (void)argument;
    int target = strcmp(kind, "target") == 0;
    id = target ? timer_of(CLOCK_MONOTONIC, 4, SIGRTMIN, 0, (int)syscall(SYS_gettid))
                : timer_of(CLOCK_THREAD_CPUTIME_ID, SIGEV_SIGNAL, SIGRTMIN, 0, 0);
    return NULL;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    kind = argc > 2 ? argv[2] : "target";
    if (strcmp(kind, "process") == 0) {
        // CPUCLOCK_SCHED of linux/posix-timers.h.
        id = timer_of((clockid_t)(~(unsigned)getppid() << 3 | 2), SIGEV_SIGNAL, SIGRTMIN, 0, 0);
    } else {
        pthread_t thread;
        pthread_create(&thread, NULL, run, NULL);
        pthread_join(thread, NULL);
        // Joined is not gone.
        struct stat tasks;
        while (stat("/proc/self/task", &tasks) == 0 && tasks.st_nlink > 3)
            short_sleep();
    }
    expect(id == 0, "timer_create");
    ready();
    wait_for_go();
    SPOIL(1, delete_timer(id));
    expect(delete_timer(id) == 0, "the timer");
    pass();
}
