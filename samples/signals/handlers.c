// Every signal's action: handler, flags, mask and restorer, as the kernel holds them; also ignored and
// default ones. Raw system calls, because a libc rewrites what it is given.
//#Ask: command
#include "../lib/sample.h"

struct kernel_action {
    void *handler;
    uint64_t flags;
    void *restorer;
    uint64_t mask;
};

static volatile int last;
static void on_signal(int number) { last = number; }
static void on_signal_too(int number, siginfo_t *info, void *context) {
    (void)context;
    last = 1000 + number + (info->si_signo == number ? 0 : 5000);
}
__attribute__((naked)) static void restorer(void) { __asm__("mov $15, %eax\n syscall"); }
__attribute__((naked)) static void restorer_too(void) { __asm__("nop\n mov $15, %eax\n syscall"); }

static struct kernel_action action_of(int number) {
    struct kernel_action is;
    memset(&is, 0, sizeof is);
    expect(syscall(SYS_rt_sigaction, number, NULL, &is, 8) == 0, "rt_sigaction %d", number);
    return is;
}

static int settable(int number) {
    // 32 and 33 belong to the C library's threads.
    return number != SIGKILL && number != SIGSTOP && number != 32 && number != 33;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const uint64_t flag_sets[] = {SA_RESTART, SA_SIGINFO, SA_SIGINFO | SA_NODEFER, SA_ONSTACK | SA_RESTART,
                                  SA_NOCLDSTOP | SA_SIGINFO, SA_NOCLDWAIT, SA_RESETHAND, 0};
    struct kernel_action before[65];
    for (int n = 1; n <= 64; n++) {
        if (settable(n)) {
            struct kernel_action set = {0};
            int kind = n % 5;
            set.flags = flag_sets[n % 8] | 0x04000000 /* SA_RESTORER */;
            set.handler = kind == 3   ? (void *)SIG_IGN
                          : kind == 4 ? (void *)SIG_DFL
                          : set.flags & SA_SIGINFO ? (void *)on_signal_too
                                                   : (void *)on_signal;
            set.restorer = n % 2 ? (void *)restorer : (void *)restorer_too;
            set.mask = pattern_word(5, (uint64_t)n);
            expect(syscall(SYS_rt_sigaction, n, &set, NULL, 8) == 0, "rt_sigaction %d", n);
        }
        before[n] = action_of(n);
    }

    ready();
    wait_for_go();
    struct kernel_action changed = before[40];
    changed.flags ^= SA_NODEFER;
    SPOIL(1, syscall(SYS_rt_sigaction, 40, &changed, NULL, 8));
    changed = before[64];
    changed.mask ^= 1UL << 20;
    SPOIL(2, syscall(SYS_rt_sigaction, 64, &changed, NULL, 8));
    changed = before[1];
    changed.restorer = (void *)restorer_too;
    SPOIL(3, syscall(SYS_rt_sigaction, 1, &changed, NULL, 8));
    changed = before[13];
    changed.handler = (void *)SIG_DFL;
    SPOIL(4, syscall(SYS_rt_sigaction, 13, &changed, NULL, 8));

    for (int n = 1; n <= 64; n++) {
        struct kernel_action is = action_of(n);
        expect(is.handler == before[n].handler, "handler of %d", n);
        expect(is.flags == before[n].flags, "flags of %d: %lx instead of %lx", n, is.flags, before[n].flags);
        expect(is.mask == before[n].mask, "mask of %d: %lx instead of %lx", n, is.mask, before[n].mask);
        expect(is.restorer == before[n].restorer, "restorer of %d", n);
    }
    // Do they run? 35 has a plain handler, 41 a three-argument one.
    kill(getpid(), 35);
    expect(last == 35, "handler of 35: %d", last);
    kill(getpid(), 41);
    expect(last == 1041, "handler of 41: %d", last);
    pass();
}
