// setjmp buffers made before the checkpoint are good afterwards.
#include "../lib/sample.h"

static jmp_buf plain;
static sigjmp_buf with_mask;

static __attribute__((noinline)) void deep(int depth) {
    volatile char frame[1000];
    frame[0] = (char)depth;
    if (depth)
        deep(depth - 1);
    else {
        ready();
        wait_for_go();
        SPOIL(1, memset(plain, 0, sizeof plain));
        if (go_is_there())
            longjmp(plain, 5);
    }
    expect(frame[0] == depth, "frame");
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    volatile int stage = 0;
    int value = sigsetjmp(with_mask, 1);
    if (value == 0) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGHUP);
        sigprocmask(SIG_BLOCK, &set, NULL);
        int inner = setjmp(plain);
        if (inner == 0) {
            stage = 1;
            deep(20);
        }
        expect(inner == 5 && stage == 1, "longjmp gave %d in stage %d", inner, stage);
        stage = 2;
        SPOIL(2, stage = 1);
        siglongjmp(with_mask, 6);
    }
    sigset_t now;
    sigprocmask(SIG_BLOCK, NULL, &now);
    expect(value == 6 && stage == 2, "siglongjmp gave %d in stage %d", value, stage);
    expect(!sigismember(&now, SIGHUP), "the saved mask");
    pass();
}
