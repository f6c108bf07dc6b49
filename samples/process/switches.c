// Switches of prctl that each thread has for itself: the time stamp counter, broken memory, speculation; and those
// of the process that keep capabilities. Two threads, unlike each other where they can be.
//#Variants: time_stamp machine_check speculation keepcaps
//#Flags: -pthread
#include "../lib/sample.h"
#include <pthread.h>
#include <sys/prctl.h>

static int asked(int option, int which) { return prctl(option, which, 0, 0, 0); }

static int time_stamp(void) {
    int value = -1;
    prctl(PR_GET_TSC, &value, 0, 0, 0);
    return value;
}

static const char *variant;
#define is(name) (strcmp(variant, name) == 0)
static volatile int second_ready, first_speculation, second_speculation;

static int reads_counter(void) {
    struct sigaction act = {.sa_sigaction = sample_on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGSEGV, &act, NULL);
    if (sigsetjmp(sample_fault_jump, 1) != 0)
        return 0;
    __builtin_ia32_rdtsc();
    return 1;
}

static void *second(void *unused) {
    if (is("machine_check"))
        expect(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE, 0, 0) == 0, "late");
    if (is("keepcaps"))
        expect(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0, "keep");
    if (is("speculation"))
        second_speculation = asked(PR_GET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS);
    second_ready = 1;
    wait_for_go();
    if (is("time_stamp"))
        expect(time_stamp() == PR_TSC_ENABLE, "time stamp counter of the second thread");
    if (is("machine_check"))
        expect(asked(PR_MCE_KILL_GET, 0) == PR_MCE_KILL_LATE, "broken memory in the second thread");
    if (is("keepcaps"))
        expect(asked(PR_GET_KEEPCAPS, 0) == 1, "capabilities of the second thread");
    if (is("speculation"))
        expect(asked(PR_GET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS) == second_speculation, "speculation of the second");
    return unused;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    variant = argc > 2 ? argv[2] : "time_stamp";
    pthread_t thread;
    expect(pthread_create(&thread, NULL, second, NULL) == 0, "thread");
    while (!second_ready)
        short_sleep();
    if (is("time_stamp"))
        expect(prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0) == 0, "time stamp counter");
    if (is("machine_check"))
        expect(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0) == 0, "early");
    if (is("keepcaps"))
        expect(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0, "keep");
    if (is("speculation")) {
        // Not on every processor, nor on every host.
        prctl(PR_SET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, PR_SPEC_DISABLE, 0, 0);
        first_speculation = asked(PR_GET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS);
    }
    ready();
    wait_for_go();
    pthread_join(thread, NULL);
    SPOIL(1, prctl(PR_SET_TSC, PR_TSC_ENABLE, 0, 0, 0); prctl(PR_MCE_KILL, PR_MCE_KILL_CLEAR, 0, 0, 0);
          prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0); first_speculation++);
    if (is("time_stamp")) {
        expect(time_stamp() == PR_TSC_SIGSEGV, "time stamp counter: %d", time_stamp());
        expect(!reads_counter(), "it can be read");
    }
    if (is("machine_check"))
        expect(asked(PR_MCE_KILL_GET, 0) == PR_MCE_KILL_EARLY, "broken memory");
    if (is("keepcaps"))
        expect(asked(PR_GET_KEEPCAPS, 0) == 1, "capabilities");
    if (is("speculation"))
        expect(asked(PR_GET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS) == first_speculation, "speculation");
    pass();
}
