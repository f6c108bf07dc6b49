// FS and GS bases: thread-local variables are reached, and so is what lies behind GS.
#include "../lib/sample.h"

#define ARCH_SET_GS 0x1001
#define ARCH_GET_FS 0x1003
#define ARCH_GET_GS 0x1004

static _Thread_local volatile uint64_t local = 11;

static uint64_t through_gs(void) {
    uint64_t value;
    __asm__ volatile("movq %%gs:8, %0" : "=r"(value));
    return value;
}

static uint64_t base(int which) {
    uint64_t value = 0;
    syscall(SYS_arch_prctl, which, &value);
    return value;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    uint64_t *block = map_private(PAGE);
    block[1] = 0xfeedface12345678;
    expect(syscall(SYS_arch_prctl, ARCH_SET_GS, block) == 0, "ARCH_SET_GS");
    local = 22;
    uint64_t fs = base(ARCH_GET_FS);
    expect(through_gs() == 0xfeedface12345678, "gs");

    ready();
    wait_for_go();
    SPOIL(1, syscall(SYS_arch_prctl, ARCH_SET_GS, block - 1));
    SPOIL(2, local = 33);

    expect(base(ARCH_GET_GS) == (uint64_t)block, "GS base %lx", base(ARCH_GET_GS));
    expect(through_gs() == 0xfeedface12345678, "what is behind gs");
    expect(base(ARCH_GET_FS) == fs, "FS base");
    expect(local == 22, "thread-local variable");
    pass();
}
