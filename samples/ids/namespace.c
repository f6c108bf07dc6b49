// A program of root's, one thread of which has entered another namespace (tests/rights.rs): its checkpoints are refused.
//#Flags: -pthread
#include "../lib/sample.h"
#include <pthread.h>
#include <sched.h>

static volatile int entered;

static void *enter(void *unused) {
    expect(unshare(CLONE_NEWUTS) == 0, "unshare");
    entered = 1;
    for (;;)
        short_sleep();
    return unused;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    pthread_t thread;
    expect(pthread_create(&thread, NULL, enter, NULL) == 0, "thread");
    while (!entered)
        short_sleep();
    ready();
    wait_for_go();
    SPOIL(1, exit(1));
    pass();
}
