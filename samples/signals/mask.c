// Every signal that can be blocked is blocked; the mask is the same afterwards. Only --checkpoint can
// ask such a program.
//#Ask: command
#include "../lib/sample.h"

static uint64_t mask_now(void) {
    uint64_t mask = 0;
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, 8);
    return mask;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    uint64_t wanted = ~0UL & ~(1UL << (32 - 1)) & ~(1UL << (SIGTERM - 1)) & ~(1UL << (47 - 1));
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &wanted, NULL, 8);
    uint64_t before = mask_now();

    ready();
    wait_for_go();
    uint64_t one = 1UL << (SIGUSR1 - 1);
    SPOIL(1, syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &one, NULL, 8));
    one = 1UL << (47 - 1);
    SPOIL(2, syscall(SYS_rt_sigprocmask, SIG_BLOCK, &one, NULL, 8));

    expect(mask_now() == before, "%lx instead of %lx", mask_now(), before);
    kill(getpid(), SIGUSR1);
    sigset_t pending;
    sigpending(&pending);
    expect(sigismember(&pending, SIGUSR1), "not held back");
    pass();
}
