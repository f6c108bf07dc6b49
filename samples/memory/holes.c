// Pages unmapped in the middle of the program's own image, and of a library: they stay unmapped, and
// what lies around them is kept.
//#Flags: -lm
#include "../lib/sample.h"
#include <math.h>

static _Alignas(4096) unsigned char in_data[16 * PAGE] = {1};
static _Alignas(4096) const unsigned char in_rodata[4 * PAGE] = {2};

// A page of read-only data in the middle of the mathematics library, where it is a library.
static unsigned char *page_of_libm(void) {
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[1024];
    unsigned char *found = NULL;
    while (fgets(line, sizeof line, maps)) {
        unsigned long start, end;
        if (strstr(line, "/libm") && strstr(line, " r--p ") &&
            sscanf(line, "%lx-%lx", &start, &end) == 2 && end - start > 64 * PAGE)
            found = (unsigned char *)(start + 32 * PAGE);
    }
    fclose(maps);
    return found;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    fill(in_data, sizeof in_data, 1);
    volatile double angle = argc;
    double before = sin(angle);
    expect(munmap(in_data + 4 * PAGE, 2 * PAGE) == 0, "munmap");
    expect(munmap((void *)(uintptr_t)(in_rodata + PAGE), PAGE) == 0, "munmap");
    unsigned char *libm = page_of_libm();
    if (libm)
        expect(munmap(libm, PAGE) == 0, "munmap");

    ready();
    wait_for_go();
    SPOIL(1, in_data[0] ^= 1);
    SPOIL(2, mmap(in_data + 5 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0));

    for (int i = 0; i < 16; i++)
        expect((touch(in_data + i * PAGE, 0) == SIGSEGV) == (i == 4 || i == 5), "page %d", i);
    expect_pattern(in_data, 4 * PAGE, 1);
    expect(touch((volatile unsigned char *)(uintptr_t)in_rodata, 0) == 0, "read-only data");
    expect(in_rodata[0] == 2, "read-only data");
    expect(touch((volatile unsigned char *)(uintptr_t)in_rodata + PAGE, 0) == SIGSEGV, "its hole");
    if (libm) {
        expect(touch(libm, 0) == SIGSEGV && sample_fault_code == SEGV_MAPERR, "hole in libm");
        expect(touch(libm - PAGE, 0) == 0 && touch(libm + PAGE, 0) == 0, "around the hole");
    }
    expect(before == sin(angle), "sin");
    pass();
}
