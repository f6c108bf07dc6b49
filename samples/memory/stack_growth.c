// The stack is small at the checkpoint, and must still grow by itself to 7 MiB afterwards. It stops at
// its limit with SIGSEGV, as it always did.
#include "../lib/sample.h"
#include <sys/resource.h>

static __attribute__((noinline)) int descend(int depth) {
    volatile unsigned char frame[PAGE];
    memset((void *)frame, depth & 0xff, sizeof frame);
    int below = depth == 0 ? 0 : descend(depth - 1);
    expect(frame[PAGE / 2] == (depth & 0xff), "frame %d", depth);
    return below + 1;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    ready();
    wait_for_go();
    struct rlimit limit = {PAGE, PAGE};
    SPOIL(1, setrlimit(RLIMIT_STACK, &limit));
    (void)limit;
    expect(descend(1700) == 1701, "depth");
    pass();
}
