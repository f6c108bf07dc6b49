// A mapping with PROT_WRITE alone: /proc shows "-w-", so nothing may take it for unreadable and drop it.
#include "../lib/sample.h"

int main(int argc, char **argv) {
    sample_start(argc, argv);
    unsigned char *at = map_private(4 * PAGE);
    fill(at, 4 * PAGE, 1);
    expect(mprotect(at, 4 * PAGE, PROT_WRITE) == 0, "mprotect");

    ready();
    wait_for_go();
    SPOIL(1, at[0] ^= 1);
    SPOIL(2, mprotect(at, 4 * PAGE, PROT_READ | PROT_WRITE));

    expect(!has_vm_flag(at, "rd") && has_vm_flag(at, "wr"), "protection");
    expect(mprotect(at, 4 * PAGE, PROT_READ | PROT_WRITE) == 0, "mprotect");
    expect_pattern(at, 4 * PAGE, 1);
    pass();
}
