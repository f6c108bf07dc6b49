// The checkpoint falls into two handlers, one interrupting the other, each with its own mask: both
// return, and each return brings back the mask and the registers of what it interrupted.
#include "../lib/sample.h"

static uint64_t mask_now(void) {
    uint64_t mask = 0;
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, 8);
    return mask;
}

static uint64_t in_outer, in_inner;
static volatile int trace;

static void inner(int number) {
    (void)number;
    in_inner = mask_now();
    ready();
    wait_for_go();
    uint64_t one = 1UL << (SIGHUP - 1);
    SPOIL(1, syscall(SYS_rt_sigprocmask, SIG_BLOCK, &one, NULL, 8));
    expect(mask_now() == in_inner, "mask in the inner handler");
    trace = trace * 10 + 2;
}

static void outer(int number) {
    (void)number;
    in_outer = mask_now();
    trace = 1;
    kill(getpid(), SIGRTMIN + 5);
    expect(mask_now() == in_outer, "mask in the outer handler");
    trace = trace * 10 + 3;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    struct sigaction act = {0};
    act.sa_handler = outer;
    sigaddset(&act.sa_mask, SIGQUIT);
    sigaction(SIGUSR1, &act, NULL);
    act.sa_handler = inner;
    sigaddset(&act.sa_mask, SIGWINCH);
    sigaction(SIGRTMIN + 5, &act, NULL);
    uint64_t before = mask_now();
    volatile double kept = 1.5;
    kill(getpid(), SIGUSR1);
    SPOIL(2, kept = 2);
    expect(trace == 123, "order %d", trace);
    expect(mask_now() == before && in_outer != before && in_inner != in_outer, "mask");
    expect(kept == 1.5, "local");
    pass();
}
