// A MAP_GROWSDOWN region of the program's own: content kept, and it still grows when touched below.
#include "../lib/sample.h"

int main(int argc, char **argv) {
    sample_start(argc, argv);
    // Room below, beyond the kernel's stack guard gap of 256 pages.
    unsigned char *room = map_anywhere(1024 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS);
    munmap(room, 1024 * PAGE);
    unsigned char *at = mmap(room + 1020 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE, -1, 0);
    expect(at == room + 1020 * PAGE, "mmap");
    fill(at, 4 * PAGE, 1);
    at[-(long)(2 * PAGE)] = 42;

    ready();
    wait_for_go();
    SPOIL(1, at[0] ^= 1);
    SPOIL(2, mmap(at - 10 * PAGE, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));

    expect_pattern(at, 4 * PAGE, 1);
    expect(at[-(long)(2 * PAGE)] == 42, "the part that had grown");
    expect(has_vm_flag(at, "gd"), "VM_GROWSDOWN");
    expect(touch(at - 40 * PAGE, 1) == 0, "it no longer grows");
    pass();
}
