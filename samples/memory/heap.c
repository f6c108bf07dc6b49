// The brk heap can grow, shrink and grow again afterwards; new pages are zero. Raw brk calls, because
// musl's sbrk refuses to move it.
#include "../lib/sample.h"

static unsigned char *raw_brk(void *to) { return (unsigned char *)syscall(SYS_brk, to); }

int main(int argc, char **argv) {
    sample_start(argc, argv);
    // So that no library allocates from the heap behind our back.
    static char output[BUFSIZ];
    setvbuf(stdout, output, _IOFBF, sizeof output);
    unsigned char *start = raw_brk(NULL);
    unsigned char *base = (unsigned char *)(((uintptr_t)start + PAGE - 1) & ~(PAGE - 1));
    // Not on a page boundary, on purpose.
    unsigned char *end = base + 40 * PAGE + 123;
    expect(raw_brk(end) == end, "brk");
    fill(base, 40 * PAGE, 1);

    ready();
    wait_for_go();
    SPOIL(1, base[40 * PAGE - 1] ^= 1);
    SPOIL(2, raw_brk(end - 1));
    SPOIL(3, mmap(base + 45 * PAGE, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));

    expect(raw_brk(NULL) == end, "brk is %p instead of %p", (void *)raw_brk(NULL), (void *)end);
    expect_pattern(base, 40 * PAGE, 1);
    expect(raw_brk(end + 100 * PAGE) == end + 100 * PAGE, "the heap does not grow");
    for (unsigned char *p = end; p < end + 100 * PAGE; p++)
        expect(*p == 0, "new heap is not zero");
    fill(base, 140 * PAGE, 2);
    expect_pattern(base, 140 * PAGE, 2);
    expect(raw_brk(base + 3 * PAGE) == base + 3 * PAGE, "the heap does not shrink");
    expect(touch(base + 4 * PAGE, 0) == SIGSEGV, "shrunk away, but still there");
    expect(raw_brk(base + 6 * PAGE) == base + 6 * PAGE, "the heap does not grow again");
    expect(base[4 * PAGE] == 0, "grown again, but not zero");
    expect_pattern(base, 3 * PAGE, 2);
    pass();
}
