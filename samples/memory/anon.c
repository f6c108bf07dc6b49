// Private anonymous memory: large, small, unaligned in use, with untouched pages between touched ones.
#include "../lib/sample.h"

#define BIG (24UL << 20)

int main(int argc, char **argv) {
    sample_start(argc, argv);
    unsigned char *big = map_private(BIG);
    fill(big, BIG, 1);
    unsigned char *one = map_private(PAGE);
    fill(one, PAGE, 2);
    unsigned char *holes = map_private(64 * PAGE);
    for (int i = 0; i < 64; i += 3)
        fill(holes + i * PAGE, PAGE, 100 + (uint64_t)i);

    ready();
    wait_for_go();
    SPOIL(1, big[BIG / 2 + 5] ^= 1);
    SPOIL(2, one[PAGE - 1] ^= 1);
    SPOIL(3, holes[4 * PAGE] = 1);

    expect_pattern(big, BIG, 1);
    expect_pattern(one, PAGE, 2);
    for (int i = 0; i < 64; i++) {
        if (i % 3 == 0)
            expect_pattern(holes + i * PAGE, PAGE, 100 + (uint64_t)i);
        else
            for (unsigned j = 0; j < PAGE; j++)
                expect(holes[i * PAGE + j] == 0, "page %d", i);
    }
    fill(big, BIG, 3);
    expect_pattern(big, BIG, 3);
    pass();
}
