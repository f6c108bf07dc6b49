// The checkpoint falls into the bottom of a recursion that has 6 MiB of stack in use.
#include "../lib/sample.h"

#define DEPTH 1500

static __attribute__((noinline)) uint64_t descend(int depth) {
    volatile uint64_t frame[512];
    for (int i = 0; i < 512; i++)
        frame[i] = pattern_word((uint64_t)depth, (uint64_t)i);
    uint64_t below = 0;
    if (depth == DEPTH) {
        ready();
        wait_for_go();
        SPOIL(1, frame[100]++);
    } else {
        below = descend(depth + 1);
    }
    for (int i = 0; i < 512; i++)
        expect(frame[i] == pattern_word((uint64_t)depth, (uint64_t)i), "frame %d", depth);
    return below + 1;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    expect(descend(1) == DEPTH, "depth");
    pass();
}
