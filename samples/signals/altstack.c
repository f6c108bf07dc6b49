// The alternate signal stack stays registered, and a handler that asks for it runs on it.
#include "../lib/sample.h"

#define SIZE (64 * 1024UL)

static unsigned char *volatile ran_at;
static void on_usr1(int number) {
    (void)number;
    ran_at = __builtin_frame_address(0);
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    unsigned char *memory = map_private(SIZE);
    stack_t stack = {.ss_sp = memory, .ss_size = SIZE, .ss_flags = 0};
    expect(sigaltstack(&stack, NULL) == 0, "sigaltstack");
    struct sigaction act = {0};
    act.sa_handler = on_usr1;
    act.sa_flags = SA_ONSTACK;
    sigaction(SIGUSR1, &act, NULL);

    ready();
    wait_for_go();
    stack_t off = {.ss_flags = SS_DISABLE};
    SPOIL(1, sigaltstack(&off, NULL));
    off = stack;
    off.ss_size -= PAGE;
    SPOIL(2, sigaltstack(&off, NULL));

    stack_t now;
    expect(sigaltstack(NULL, &now) == 0, "sigaltstack");
    expect(now.ss_sp == stack.ss_sp && now.ss_size == SIZE && now.ss_flags == 0,
           "%p, %zu, flags %x", now.ss_sp, now.ss_size, (unsigned)now.ss_flags);
    kill(getpid(), SIGUSR1);
    expect(ran_at > memory && ran_at < memory + SIZE, "the handler ran elsewhere");
    pass();
}
