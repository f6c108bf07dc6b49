// Lightweight guard regions (MADV_GUARD_INSTALL, Linux 6.13) inside a mapping: no line of
// /proc/self/maps shows them, yet they must be there.
#include "../lib/sample.h"

#define GUARD_INSTALL 102
#define GUARD_REMOVE 103

int main(int argc, char **argv) {
    sample_start(argc, argv);
    unsigned char *at = map_private(32 * PAGE);
    fill(at, 32 * PAGE, 1);
    if (madvise(at + 4 * PAGE, 2 * PAGE, GUARD_INSTALL) != 0) {
        expect(errno == EINVAL, "madvise");
        // An older kernel has none, so no program on it can have any.
        ready();
        wait_for_go();
        SPOIL(1, FAIL("no guard regions"));
        SPOIL(2, FAIL("no guard regions"));
        pass();
    }
    expect(madvise(at + 30 * PAGE, 2 * PAGE, GUARD_INSTALL) == 0, "madvise");
    // In memory that was never touched, too.
    unsigned char *untouched = map_private(16 * PAGE);
    expect(madvise(untouched, PAGE, GUARD_INSTALL) == 0, "madvise");

    ready();
    wait_for_go();
    SPOIL(1, madvise(at + 5 * PAGE, PAGE, GUARD_REMOVE));
    SPOIL(2, madvise(untouched, PAGE, GUARD_REMOVE));

    for (int i = 0; i < 32; i++) {
        int guarded = i == 4 || i == 5 || i >= 30;
        expect((touch(at + i * PAGE, 0) == SIGSEGV) == guarded, "page %d", i);
        if (!guarded)
            for (unsigned j = 0; j < PAGE / 8; j++)
                expect(((uint64_t *)at)[(unsigned)i * PAGE / 8 + j] ==
                           pattern_word(1, (unsigned)i * PAGE / 8 + j),
                       "content of page %d", i);
    }
    expect(touch(untouched, 1) == SIGSEGV, "guard in untouched memory");
    expect(touch(untouched + PAGE, 1) == 0, "page after it");
    expect(madvise(at + 4 * PAGE, 2 * PAGE, GUARD_REMOVE) == 0, "madvise");
    expect(touch(at + 4 * PAGE, 1) == 0 && at[4 * PAGE] == 0, "after removal the page is zero");
    pass();
}
