// mlockall(MCL_FUTURE | MCL_ONFAULT): memory that is mapped after the checkpoint is locked, too.
#include "../lib/sample.h"

int main(int argc, char **argv) {
    sample_start(argc, argv);
    unsigned char *before = map_private(PAGE);
    before[0] = 1;
    expect(mlockall(MCL_FUTURE | 4 /* MCL_ONFAULT */) == 0, "mlockall");
    unsigned char *after = map_private(PAGE);
    after[0] = 2;

    ready();
    wait_for_go();
    SPOIL(1, munlockall());

    unsigned char *later = map_private(PAGE);
    expect(before[0] == 1 && after[0] == 2, "content");
    expect(has_vm_flag(later, "lo"), "MCL_FUTURE is lost");
    expect(has_vm_flag(after, "lo") && !has_vm_flag(before, "lo"), "what was locked");
    pass();
}
