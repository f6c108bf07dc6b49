// A reservation of 64 GiB without access, a few pages of it opened and written: as runtimes with a
// garbage collector do it. The image holds the few pages, not the reservation.
//#MaxImage: 6000000
#include "../lib/sample.h"

#define RESERVE (64UL << 30)
#define STEP (7UL << 30)

int main(int argc, char **argv) {
    sample_start(argc, argv);
    unsigned char *at = map_anywhere(RESERVE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
    for (size_t offset = 0; offset < RESERVE; offset += STEP) {
        expect(mprotect(at + offset, 2 * PAGE, PROT_READ | PROT_WRITE) == 0, "mprotect");
        fill(at + offset, PAGE, offset);
    }

    ready();
    wait_for_go();
    SPOIL(1, at[STEP * 3 + 17] ^= 1);
    SPOIL(2, mprotect(at + PAGE * 1000, PAGE, PROT_READ));

    for (size_t offset = 0; offset < RESERVE; offset += STEP) {
        expect_pattern(at + offset, PAGE, offset);
        expect(at[offset + PAGE] == 0 && at[offset + 2 * PAGE - 1] == 0, "page that was only opened");
        expect(touch(at + offset + 2 * PAGE, 0) == SIGSEGV, "page beyond");
    }
    expect(touch(at + PAGE * 1000, 0) == SIGSEGV, "reserved page");
    expect(mprotect(at + RESERVE - PAGE, PAGE, PROT_READ | PROT_WRITE) == 0, "mprotect");
    at[RESERVE - 1] = 1;
    pass();
}
