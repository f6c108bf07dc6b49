// State that can be read but not set again: a GS base in the kernel's half of the address space, which only the
// instruction takes. Such a process must be told at the checkpoint, not at the restore.
//#Links: static
//#Flags: -mfsgsbase
#include "../lib/sample.h"
#include <immintrin.h>
#include <sys/auxv.h>

int main(int argc, char **argv) {
    sample_start(argc, argv);
    // HWCAP2_FSGSBASE
    if (getauxval(AT_HWCAP2) & 2)
        _writegsbase_u64(0xffff800000001000UL);
    else
        printf("no wrgsbase\n");
    ready();
    wait_for_go();
    pass();
}
