// Coroutines on stacks of their own (ucontext): the checkpoint falls into one of them.
//#Links: pie nopie static staticpie
#include "../lib/sample.h"
#include <ucontext.h>

#define ROUTINES 5

static ucontext_t main_context, context[ROUTINES];
static int order[64], steps;

static void routine(int which) {
    volatile uint64_t local[200];
    for (int i = 0; i < 200; i++)
        local[i] = pattern_word((uint64_t)which, (uint64_t)i);
    for (int round = 0; round < 4; round++) {
        order[steps++] = which;
        if (round == 2 && which == 3) {
            ready();
            wait_for_go();
            SPOIL(1, local[100]++);
        }
        swapcontext(&context[which], &context[(which + 1) % ROUTINES]);
    }
    for (int i = 0; i < 200; i++)
        expect(local[i] == pattern_word((uint64_t)which, (uint64_t)i), "local %d of %d", i, which);
    if (which < ROUTINES - 1)
        setcontext(&context[which + 1]);
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    for (int i = 0; i < ROUTINES; i++) {
        getcontext(&context[i]);
        context[i].uc_stack.ss_sp = map_private(64 * 1024);
        context[i].uc_stack.ss_size = 64 * 1024;
        context[i].uc_link = &main_context;
        makecontext(&context[i], (void (*)(void))routine, 1, i);
    }
    swapcontext(&main_context, &context[0]);
    expect(steps == 4 * ROUTINES, "%d steps", steps);
    for (int i = 0; i < steps; i++)
        expect(order[i] == i % ROUTINES, "step %d was %d", i, order[i]);
    pass();
}
