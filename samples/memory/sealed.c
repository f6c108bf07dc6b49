// Memory sealed with mseal (Linux 6.10): content kept, and it still cannot be unmapped or made writable.
#include "../lib/sample.h"

int main(int argc, char **argv) {
    sample_start(argc, argv);
    char *at = map_anywhere(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    fill(at, 4 * PAGE, 7);
    expect(mprotect(at, 4 * PAGE, PROT_READ) == 0, "mprotect");
    expect(syscall(462 /* mseal */, at, 4 * PAGE, 0UL) == 0, "mseal");
    ready();
    wait_for_go();
    SPOIL(1, at = map_anywhere(4 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS));
    expect_pattern(at, 4 * PAGE, 7);
    expect(mprotect(at, PAGE, PROT_READ | PROT_WRITE) == -1 && errno == EPERM, "mprotect of sealed memory");
    expect(munmap(at, PAGE) == -1 && errno == EPERM, "munmap of sealed memory");
    pass();
}
