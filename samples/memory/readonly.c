// Anonymous memory that was filled and then made read-only keeps its content and refuses writes.
#include "../lib/sample.h"

int main(int argc, char **argv) {
    sample_start(argc, argv);
    unsigned char *at = map_private(16 * PAGE);
    fill(at, 16 * PAGE, 1);
    expect(mprotect(at, 16 * PAGE, PROT_READ) == 0, "mprotect");

    ready();
    wait_for_go();
    SPOIL(1, mprotect(at, PAGE, PROT_READ | PROT_WRITE));
    SPOIL(2, mprotect(at, PAGE, PROT_READ | PROT_WRITE); at[9] ^= 1; mprotect(at, PAGE, PROT_READ));

    expect_pattern(at, 16 * PAGE, 1);
    expect(touch(at, 1) == SIGSEGV && sample_fault_code == SEGV_ACCERR, "a write went through");
    expect(touch(at + 15 * PAGE, 1) == SIGSEGV, "a write to the last page went through");
    expect_pattern(at, 16 * PAGE, 1);
    pass();
}
