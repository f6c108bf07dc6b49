// A program of root's that has locked itself into a directory (tests/rights.rs): its checkpoints are refused.
#include "../lib/sample.h"

int main(int argc, char **argv) {
    sample_start(argc, argv);
    expect(chroot(".") == 0 && chdir("/") == 0, "chroot");
    ready();
    wait_for_go();
    SPOIL(1, exit(1));
    pass();
}
