// Every register is live: general ones, flags, x87, mxcsr, xmm, ymm, zmm and k, as far as the processor has
// them. Round after round of other values, until the go file comes; an interruption may fall anywhere.
//#Flags: -masm=intel
#include "registers.h"

int main(int argc, char **argv) {
    sample_start(argc, argv);
    unsigned char *stack = map_private(16 * PAGE);
    struct held *held = make_held(stack + 16 * PAGE - 8);
    expect(held->mask & 3, "no xsave");
    ready();
    for (uint64_t round = 1; round % 8 != 0 || !go_is_there(); round++) {
        seed_held(held, round, 200000);
        held_now = held;
        hold_spinning();
        judge_held(held);
    }
    held_now = held;
    seed_held(held, 12345, 1000);
    hold_spinning();
    SPOIL(1, held->area_out[40] ^= 1);
    SPOIL(2, held->area_out[200] ^= 1);
    SPOIL(3, held->out[3] ^= 1);
    SPOIL(4, held->flags_out ^= 0x400);
    SPOIL(5, held->area_out[24] ^= 1);
    unsigned size, offset = feature_offset(held->mask & 4 ? 2 : 1, &size);
    SPOIL(6, held->area_out[offset + size - 1] ^= 1);
    judge_held(held);
    pass();
}
