// Shared anonymous memory keeps its content, and two views of one object stay views of one object.
#include "../lib/sample.h"

#define LENGTH (16 * PAGE)

int main(int argc, char **argv) {
    sample_start(argc, argv);
    unsigned char *first = map_anywhere(LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
    fill(first, 8 * PAGE, 1);
    // mremap with an old size of 0 makes a second mapping of the same object.
    unsigned char *second = mremap(first, 0, LENGTH, MREMAP_MAYMOVE);
    expect(second != MAP_FAILED && second != first, "mremap");
    // And a view of part of it, at another offset.
    unsigned char *part = mremap(first + 4 * PAGE, 0, 4 * PAGE, MREMAP_MAYMOVE);
    expect(part != MAP_FAILED, "mremap");
    unsigned char *other = map_anywhere(LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
    fill(other, LENGTH, 2);
    mprotect(second, LENGTH, PROT_READ);

    ready();
    wait_for_go();
    SPOIL(1, first[0] ^= 1);
    SPOIL(2, mmap(first, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0);
          fill(first, PAGE, 1));
    SPOIL(3, other[LENGTH - 1] ^= 1);

    expect_pattern(first, 8 * PAGE, 1);
    expect_pattern(second, 8 * PAGE, 1);
    expect_pattern(other, LENGTH, 2);
    for (size_t i = 8 * PAGE; i < LENGTH; i++)
        expect(first[i] == 0, "byte %zu", i);
    for (size_t i = 0; i < LENGTH; i += PAGE) {
        first[i] = (unsigned char)(i / PAGE + 50);
        expect(second[i] == (unsigned char)(i / PAGE + 50), "page %zu is no longer shared", i / PAGE);
    }
    for (size_t i = 0; i < 4 * PAGE; i += PAGE) {
        part[i + 1] = 99;
        expect(first[4 * PAGE + i + 1] == 99, "page %zu of the part is no longer shared", i / PAGE);
    }
    // Still shared with children, too.
    pid_t child = fork();
    if (child == 0) {
        other[0] = 200;
        _exit(0);
    }
    expect(syscall(SYS_wait4, child, NULL, 0, NULL) == child, "wait");
    expect(other[0] == 200, "not shared with a child");
    pass();
}
