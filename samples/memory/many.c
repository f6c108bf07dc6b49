// Two thousand mappings side by side, no two neighbours alike: no table of the runtime is too small.
#include "../lib/sample.h"

#define COUNT 2000

int main(int argc, char **argv) {
    sample_start(argc, argv);
    unsigned char *at = map_private(COUNT * PAGE);
    for (size_t i = 0; i < COUNT; i++)
        fill(at + i * PAGE, PAGE, i);
    for (size_t i = 0; i < COUNT; i += 2)
        expect(mprotect(at + i * PAGE, PAGE, i % 4 ? PROT_NONE : PROT_READ) == 0, "mprotect %zu", i);

    ready();
    wait_for_go();
    SPOIL(1, at[PAGE * 1001] ^= 1);
    SPOIL(2, mprotect(at + 2 * PAGE, PAGE, PROT_READ));

    for (size_t i = 0; i < COUNT; i++) {
        if (i % 50 == 2)
            expect(touch(at + i * PAGE, 0) == (i % 4 ? SIGSEGV : 0), "page %zu", i);
        if (i % 2 == 0)
            mprotect(at + i * PAGE, PAGE, PROT_READ | PROT_WRITE);
        expect_pattern(at + i * PAGE, PAGE, i);
    }
    pass();
}
