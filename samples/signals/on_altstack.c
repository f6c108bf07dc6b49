// The checkpoint falls into a handler that runs on the alternate stack. Variant "autodisarm": the stack
// was registered with SS_AUTODISARM, so the kernel holds it as disabled just then and arms it on return.
//#Variants: plain autodisarm
#include "../lib/sample.h"

#define SIZE (64 * 1024UL)
#define AUTODISARM (1U << 31)

static unsigned char *memory;
static stack_t inside_before, inside_after;
static volatile int done;

static void on_usr1(int number) {
    volatile uint64_t local[64];
    for (int i = 0; i < 64; i++)
        local[i] = pattern_word(1, (uint64_t)i);
    expect((unsigned char *)local > memory && (unsigned char *)local < memory + SIZE, "which stack");
    sigaltstack(NULL, &inside_before);
    ready();
    wait_for_go();
    SPOIL(1, local[5]++);
    sigaltstack(NULL, &inside_after);
    for (int i = 0; i < 64; i++)
        expect(local[i] == pattern_word(1, (uint64_t)i), "local %d", i);
    done = number;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    int autodisarm = argc > 2 && strcmp(argv[2], "autodisarm") == 0;
    memory = map_private(SIZE);
    stack_t stack = {.ss_sp = memory, .ss_size = SIZE, .ss_flags = autodisarm ? (int)AUTODISARM : 0};
    expect(syscall(SYS_sigaltstack, &stack, NULL) == 0, "sigaltstack");
    struct sigaction act = {0};
    act.sa_handler = on_usr1;
    act.sa_flags = SA_ONSTACK;
    sigaction(SIGUSR1, &act, NULL);
    kill(getpid(), SIGUSR1);

    expect(done == SIGUSR1, "handler");
    stack_t off = {.ss_flags = SS_DISABLE};
    SPOIL(2, sigaltstack(&off, NULL));
    expect(inside_before.ss_flags == inside_after.ss_flags && inside_before.ss_sp == inside_after.ss_sp &&
               inside_before.ss_size == inside_after.ss_size,
           "inside: flags %x instead of %x", (unsigned)inside_after.ss_flags,
           (unsigned)inside_before.ss_flags);
    stack_t now;
    syscall(SYS_sigaltstack, NULL, &now);
    expect(now.ss_sp == memory && now.ss_size == SIZE && now.ss_flags == stack.ss_flags,
           "outside: flags %x", (unsigned)now.ss_flags);
    pass();
}
