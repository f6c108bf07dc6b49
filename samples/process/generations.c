// A hundred generations: each restored program is checkpointed and restored again.
//#Generations: 100
//#Links: pie static musl
#include "../lib/sample.h"
#include <sys/time.h>

static uint64_t area[4096];

int main(int argc, char **argv) {
    sample_start(argc, argv);
    fill(area, sizeof area, 1);
    int file = open("counter", O_RDWR | O_CREAT, 0600);
    expect(write(file, "0123456789", 10) == 10, "write");
    struct itimerval timer = {.it_value = {100000, 0}};
    setitimer(ITIMER_REAL, &timer, NULL);
    ready();
    unsigned long grown = (unsigned long)sbrk(0);
    wait_for_go();
    SPOIL(1, area[0]++);
    SPOIL(2, lseek(file, 1, SEEK_SET));
    expect_pattern(area, sizeof area, 1);
    expect(lseek(file, 0, SEEK_CUR) == 10, "offset");
    expect((unsigned long)sbrk(0) == grown, "brk");
    expect(getitimer(ITIMER_REAL, &timer) == 0 && timer.it_value.tv_sec > 90000, "timer");
    // Nothing piles up from one generation to the next.
    int maps = 0;
    char line[1024];
    FILE *stream = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, stream))
        maps++;
    fclose(stream);
    expect(maps < 80, "%d mappings", maps);
    expect(dup(0) < 10, "descriptors are piling up");
    pass();
}
