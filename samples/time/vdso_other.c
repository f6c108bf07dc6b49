// An image from a kernel with another vDSO. The sample makes one: it overwrites the body of every vDSO
// function, so that it gives a made-up time. After a restore the saved pointers must reach the running
// kernel's functions; as long as it is not restored, the made-up ones are its own business.
//#Unseen: memory
// (The running kernel's vDSO lies elsewhere after the restore, and what was one is plain memory.)
#include "vdso.h"
#include <sys/time.h>

// mov rax, 77; mov [rsi], rax; ret: enough for clock_gettime's first word, harmless for the others.
static const unsigned char foreign[] = {0x48, 0xc7, 0xc0, 77, 0, 0, 0, 0x48, 0x89, 0x06, 0xc3};

static int no_function(clockid_t clock, struct timespec *at) {
    (void)at;
    return clock;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    struct vdso vdso = find_vdso();
    clock_gettime_function volatile get = vdso_function(&vdso, "__vdso_clock_gettime");
    gettimeofday_function volatile day = vdso_function(&vdso, "__vdso_gettimeofday");
    time_function volatile now = vdso_function(&vdso, "__vdso_time");
    getcpu_function volatile cpu = vdso_function(&vdso, "__vdso_getcpu");
    expect(mprotect(vdso.base, vdso.length, PROT_READ | PROT_WRITE | PROT_EXEC) == 0, "mprotect");
    unsigned overwritten = 0;
    for (size_t i = 0; i < vdso.count; i++) {
        const Elf64_Sym *symbol = &vdso.symbols[i];
        if (ELF64_ST_TYPE(symbol->st_info) == STT_FUNC && symbol->st_size >= sizeof foreign) {
            memset(vdso.base + symbol->st_value, 0xcc, symbol->st_size);
            memcpy(vdso.base + symbol->st_value, foreign, sizeof foreign);
            overwritten++;
        }
    }
    expect(overwritten >= 4, "%u functions", overwritten);
    expect(mprotect(vdso.base, vdso.length, PROT_READ | PROT_EXEC) == 0, "mprotect");

    ready();
    wait_for_go();
    struct timespec time_now = {0, 0}, kernel;
    if (!was_restored()) {
        SPOIL(1, get = no_function);
        expect(get(CLOCK_REALTIME, &time_now) == 77 && time_now.tv_sec == 77, "the made-up vDSO");
        pass();
    }
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &kernel);
    expect(get(CLOCK_REALTIME, &time_now) == 0, "clock_gettime");
    expect(time_now.tv_sec >= kernel.tv_sec && time_now.tv_sec - kernel.tv_sec < 5, "clock_gettime gave %ld",
           (long)time_now.tv_sec);
    struct timeval t = {0, 0};
    expect(day(&t, NULL) == 0 && t.tv_sec >= kernel.tv_sec && t.tv_sec - kernel.tv_sec < 5, "gettimeofday");
    expect(now(NULL) - kernel.tv_sec < 5, "time");
    unsigned where = 99999;
    expect(cpu(&where, NULL, NULL) == 0 && where < 10000, "getcpu");
    // The C library holds such pointers as well.
    expect(clock_gettime(CLOCK_MONOTONIC, &time_now) == 0 && time_now.tv_sec != 77, "libc's clock_gettime");
    expect(gettimeofday(&t, NULL) == 0 && t.tv_sec >= kernel.tv_sec, "libc's gettimeofday");
    pass();
}
