// PROT_NONE pages stay inaccessible, and what lies beneath them is there when they are opened again.
#include "../lib/sample.h"

int main(int argc, char **argv) {
    sample_start(argc, argv);
    unsigned char *at = map_private(8 * PAGE);
    fill(at, 8 * PAGE, 1);
    expect(mprotect(at + 2 * PAGE, 3 * PAGE, PROT_NONE) == 0, "mprotect");
    unsigned char *fence = map_anywhere(4 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS);

    ready();
    wait_for_go();
    SPOIL(1, mprotect(at + 2 * PAGE, PAGE, PROT_READ));
    SPOIL(2, mprotect(at + 3 * PAGE, PAGE, PROT_READ | PROT_WRITE); at[3 * PAGE] ^= 1;
          mprotect(at + 3 * PAGE, PAGE, PROT_NONE));
    SPOIL(3, mprotect(fence, PAGE, PROT_READ));

    for (int i = 0; i < 8; i++)
        expect((touch(at + i * PAGE, 0) == SIGSEGV) == (i >= 2 && i < 5), "page %d", i);
    expect(touch(fence, 0) == SIGSEGV && sample_fault_code == SEGV_ACCERR, "fence");
    expect(touch(fence + 4 * PAGE - 1, 0) == SIGSEGV, "end of the fence");
    expect(mprotect(at, 8 * PAGE, PROT_READ) == 0, "mprotect");
    expect_pattern(at, 8 * PAGE, 1);
    pass();
}
