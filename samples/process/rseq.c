// glibc's restartable-sequences area is registered again: the kernel keeps the processor number in it.
//#Links: pie nopie glibc2.41
#include "../lib/sample.h"
#include <sched.h>
#include <sys/rseq.h>

static volatile struct rseq *area(void) {
    return (volatile struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    expect(__rseq_size > 0, "glibc has not registered it");
    ready();
    wait_for_go();
    SPOIL(1, syscall(SYS_rseq, area(), 32, 1, RSEQ_SIG));
    cpu_set_t all;
    sched_getaffinity(0, sizeof all, &all);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &all)) {
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            expect(sched_setaffinity(0, sizeof one, &one) == 0, "sched_setaffinity");
            expect((int)area()->cpu_id == cpu, "the area says processor %d, we are on %d",
                   (int)area()->cpu_id, cpu);
        }
    pass();
}
