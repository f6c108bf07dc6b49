// Single pages far apart in a large writable mapping. Pages that were never touched are not in the
// image, and are still untouched afterwards: a checkpoint must not fill memory.
//#MaxImage: 6000000
#include "../lib/sample.h"

#define LENGTH (1UL << 30)
#define STEP (64UL << 20)

static unsigned long resident(unsigned char *at, size_t length) {
    unsigned long count = 0;
    static unsigned char map[16384];
    for (size_t done = 0; done < length; done += sizeof map * PAGE) {
        expect(mincore(at + done, sizeof map * PAGE, map) == 0, "mincore");
        for (size_t i = 0; i < sizeof map; i++)
            count += map[i] & 1;
    }
    return count;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    unsigned char *at =
        map_anywhere(LENGTH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
    madvise(at, LENGTH, MADV_NOHUGEPAGE);
    for (size_t offset = 0; offset < LENGTH; offset += STEP)
        fill(at + offset + 5 * PAGE, PAGE, offset);
    unsigned long before = resident(at, LENGTH);

    ready();
    wait_for_go();
    SPOIL(1, at[STEP + 5 * PAGE + 1] ^= 1);
    SPOIL(2, memset(at + STEP, 0, 4 * PAGE));

    expect(resident(at, LENGTH) <= before, "%lu pages instead of %lu", resident(at, LENGTH), before);
    for (size_t offset = 0; offset < LENGTH; offset += STEP) {
        expect_pattern(at + offset + 5 * PAGE, PAGE, offset);
        expect(at[offset + 4 * PAGE] == 0 && at[offset + 6 * PAGE] == 0, "neighbours");
    }
    pass();
}
