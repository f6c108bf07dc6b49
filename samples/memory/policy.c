// Memory policies: of mappings, of parts of one, of a thread (mbind, set_mempolicy). On a machine of one node they do
// nothing, but are kept.
//#Flags: -pthread
#include "../lib/sample.h"
#include <pthread.h>

enum { DEFAULT, PREFERRED, BIND, INTERLEAVE, LOCAL };
#define BY_ADDRESS 2
static unsigned long node = 1;

static int policy_of(void *at, unsigned long *nodes) {
    int mode = -1;
    memset(nodes, 0, 128);
    expect(syscall(SYS_get_mempolicy, &mode, nodes, 1024UL, at, at ? BY_ADDRESS : 0) == 0, "get_mempolicy");
    return mode;
}

static void expect_policy(void *at, int mode, unsigned long nodes) {
    unsigned long got[16];
    int now = policy_of(at, got);
    expect(now == mode && got[0] == nodes, "mode %d, nodes %lx instead of %d, %lx", now, got[0], mode, nodes);
}

static void bind_to(void *at, size_t length, int mode, unsigned long *nodes) {
    expect(syscall(SYS_mbind, at, length, mode, nodes, nodes ? 1024UL : 0, 0) == 0, "mbind");
}

static volatile int second_ready;
static void *second(void *unused) {
    expect(syscall(SYS_set_mempolicy, PREFERRED, &node, 64UL) == 0, "set_mempolicy");
    second_ready = 1;
    wait_for_go();
    expect_policy(NULL, PREFERRED, 1);
    return unused;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    static unsigned long all[16];
    all[0] = node;
    unsigned char *plain = map_private(16 * PAGE), *shared = map_anywhere(4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
    fill(plain, 16 * PAGE, 3);
    bind_to(plain, 4 * PAGE, BIND, all);
    bind_to(plain + 4 * PAGE, 4 * PAGE, INTERLEAVE, all);
    bind_to(plain + 8 * PAGE, 4 * PAGE, LOCAL, NULL);
    bind_to(shared, 4 * PAGE, BIND, all);
    pthread_t thread;
    expect(pthread_create(&thread, NULL, second, NULL) == 0, "thread");
    while (!second_ready)
        short_sleep();
    expect(syscall(SYS_set_mempolicy, INTERLEAVE, all, 1024UL) == 0, "set_mempolicy");
    ready();
    wait_for_go();
    pthread_join(thread, NULL);
    SPOIL(1, bind_to(plain, 4 * PAGE, DEFAULT, NULL));
    SPOIL(2, bind_to(plain + 12 * PAGE, PAGE, BIND, all));
    SPOIL(3, syscall(SYS_set_mempolicy, DEFAULT, NULL, 0UL));
    SPOIL(4, bind_to(shared, PAGE, DEFAULT, NULL));
    expect_policy(plain, BIND, 1);
    expect_policy(plain + 3 * PAGE, BIND, 1);
    expect_policy(plain + 4 * PAGE, INTERLEAVE, 1);
    expect_policy(plain + 8 * PAGE, LOCAL, 0);
    expect_policy(plain + 12 * PAGE, DEFAULT, 0);
    expect_policy(shared, BIND, 1);
    expect_policy(NULL, INTERLEAVE, 1);
    expect_pattern(plain, 16 * PAGE, 3);
    pass();
}
