// Mappings at the ends of the address space, where a restorer might want to put itself.
#include "../lib/sample.h"

static unsigned char *const places[] = {
    (unsigned char *)0x10000UL,         // the lowest address that a plain user may map
    (unsigned char *)0x70000000UL,      // below 4 GiB
    (unsigned char *)0x100000000UL,     // at 4 GiB
    (unsigned char *)0x200000000000UL,  // far from everything
    (unsigned char *)0x7ffffffee000UL,  // the last but one page of user space, near the stack's top
};
#define PLACES (sizeof places / sizeof places[0])

int main(int argc, char **argv) {
    sample_start(argc, argv);
    int made[PLACES];
    for (size_t i = 0; i < PLACES; i++) {
        // The stack may happen to lie at the last one.
        made[i] = mmap(places[i], PAGE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == places[i];
        if (made[i])
            fill(places[i], PAGE, i);
    }
    expect(made[1] && made[3], "mmap");

    ready();
    wait_for_go();
    SPOIL(1, places[1][0] ^= 1);
    SPOIL(2, munmap(places[3], PAGE));

    for (size_t i = 0; i < PLACES; i++)
        if (made[i]) {
            expect(touch(places[i], 1) == 0, "place %zu", i);
            expect_pattern(places[i], PAGE, i);
        }
    pass();
}
