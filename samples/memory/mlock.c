// Locked memory is locked afterwards: mlock, and mlock2 with MLOCK_ONFAULT, which locks only what is touched.
#include "../lib/sample.h"

static long locked_kb(void) {
    FILE *status = fopen("/proc/self/status", "r");
    char line[256];
    long kb = -1;
    while (fgets(line, sizeof line, status))
        if (sscanf(line, "VmLck: %ld", &kb) == 1)
            break;
    fclose(status);
    return kb;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    unsigned char *now = map_private(8 * PAGE);
    unsigned char *on_fault = map_private(8 * PAGE);
    unsigned char *plain = map_private(8 * PAGE);
    fill(plain, 8 * PAGE, 3);
    expect(mlock(now, 8 * PAGE) == 0, "mlock");
    expect(syscall(SYS_mlock2, on_fault, 8 * PAGE, 1) == 0, "mlock2");
    fill(now, 8 * PAGE, 1);
    fill(on_fault, PAGE, 2);
    long before = locked_kb();

    ready();
    wait_for_go();
    SPOIL(1, munlock(now, 8 * PAGE));
    SPOIL(2, munlock(on_fault, PAGE));
    SPOIL(3, mlock(plain, PAGE));

    expect(locked_kb() == before, "%ld kB locked instead of %ld", locked_kb(), before);
    expect(has_vm_flag(now, "lo") && has_vm_flag(on_fault, "lo") && !has_vm_flag(plain, "lo"), "lo");
    expect_pattern(now, 8 * PAGE, 1);
    expect_pattern(on_fault, PAGE, 2);
    unsigned char resident[8];
    expect(mincore(on_fault, 8 * PAGE, resident) == 0, "mincore");
    expect((resident[5] & 1) == 0, "MLOCK_ONFAULT became a plain lock");
    pass();
}
