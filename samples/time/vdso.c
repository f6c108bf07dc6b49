// The vDSO's functions, called through pointers that were saved before: the time is right, the clocks do
// not stand still, and the vDSO's ELF header is still readable for unwinders.
#include "vdso.h"
#include <sched.h>
#include <sys/time.h>

static double seconds(struct timespec t) { return (double)t.tv_sec + (double)t.tv_nsec / 1e9; }

int main(int argc, char **argv) {
    sample_start(argc, argv);
    struct vdso vdso = find_vdso();
    clock_gettime_function volatile get = vdso_function(&vdso, "__vdso_clock_gettime");
    gettimeofday_function volatile day = vdso_function(&vdso, "__vdso_gettimeofday");
    time_function volatile now = vdso_function(&vdso, "__vdso_time");
    getcpu_function volatile cpu = vdso_function(&vdso, "__vdso_getcpu");
    clock_getres_function volatile resolution = vdso_function(&vdso, "__vdso_clock_getres");
    expect(get && day && now && cpu && resolution, "vDSO functions");
    struct timespec before, later, kernel;
    get(CLOCK_MONOTONIC, &before);

    ready();
    wait_for_go();
    SPOIL(1, get = (clock_gettime_function)clock_getres);
    SPOIL(2, before.tv_sec += 100);
    SPOIL(3, mprotect(vdso.base, vdso.length, PROT_READ | PROT_WRITE | PROT_EXEC); vdso.base[0] = 0);

    expect(memcmp(vdso.base, "\177ELF", 4) == 0, "ELF header");
    expect(vdso_function(&vdso, "__vdso_time") == now, "symbols");
    const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_MONOTONIC_RAW,
                                CLOCK_TAI};
    for (int i = 0; i < 5; i++) {
        expect(get(clocks[i], &later) == 0, "clock_gettime");
        expect(syscall(SYS_clock_gettime, clocks[i], &kernel) == 0, "clock_gettime");
        expect(seconds(kernel) >= seconds(later) && seconds(kernel) - seconds(later) < 5,
               "clock %d: %.6f from the vDSO, %.6f from the kernel", clocks[i], seconds(later), seconds(kernel));
    }
    get(CLOCK_MONOTONIC, &later);
    expect(seconds(later) > seconds(before), "monotonic time went back");
    struct timespec next;
    do
        get(CLOCK_MONOTONIC, &next);
    while (seconds(next) <= seconds(later));
    struct timeval t;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &kernel);
    expect(day(&t, NULL) == 0 && t.tv_sec - kernel.tv_sec <= 5 && t.tv_sec >= kernel.tv_sec, "gettimeofday");
    // time() reads the coarse clock, which ticks and so lags a little behind the other.
    syscall(SYS_clock_gettime, CLOCK_REALTIME_COARSE, &kernel);
    expect(now(NULL) - kernel.tv_sec <= 5 && now(NULL) >= kernel.tv_sec, "time");
    unsigned where = 99999;
    expect(cpu(&where, NULL, NULL) == 0 && where < CPU_SETSIZE, "getcpu");
    expect(resolution(CLOCK_MONOTONIC, &kernel) == 0 && kernel.tv_sec == 0 && kernel.tv_nsec > 0, "getres");
    expect(clock_gettime(CLOCK_REALTIME, &kernel) == 0, "libc's clock_gettime");
    pass();
}
