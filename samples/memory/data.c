// The program's own memory: .data, .bss, thread-local variables, malloc blocks of all sizes, locals.
#include "../lib/sample.h"

static uint64_t in_data[5000] = {1, 2, 3};
static uint64_t in_bss[70000];
static _Thread_local uint64_t in_tls[16] = {7};
static const char *const names[] = {"one", "two", "three"};
static const char *const *pointer_to_relro = names;

int main(int argc, char **argv) {
    sample_start(argc, argv);
    uint64_t local[512];
    uint64_t *blocks[300];
    fill(in_data, sizeof in_data, 1);
    fill(in_bss, sizeof in_bss, 2);
    fill(in_tls, sizeof in_tls, 3);
    fill(local, sizeof local, 4);
    for (size_t i = 0; i < 300; i++) {
        blocks[i] = malloc(8 * (i * i + 1));
        fill(blocks[i], 8 * (i * i + 1), 1000 + i);
    }
    for (int i = 0; i < 300; i += 5) {
        free(blocks[i]);
        blocks[i] = NULL;
    }

    ready();
    wait_for_go();
    SPOIL(1, in_data[4999]++);
    SPOIL(2, in_bss[69999]++);
    SPOIL(3, in_tls[15]++);
    SPOIL(4, ((volatile uint64_t *)local)[511]++);
    SPOIL(5, blocks[299][299]++);

    expect_pattern(in_data, sizeof in_data, 1);
    expect_pattern(in_bss, sizeof in_bss, 2);
    expect_pattern(in_tls, sizeof in_tls, 3);
    expect_pattern(local, sizeof local, 4);
    expect(strcmp(pointer_to_relro[2], "three") == 0, "relro");
    for (size_t i = 0; i < 300; i++)
        if (blocks[i]) {
            expect_pattern(blocks[i], 8 * (i * i + 1), 1000 + i);
            free(blocks[i]);
        }
    // The allocator must still work, at small and at mmap sizes.
    for (size_t i = 0; i < 300; i++) {
        void *block = malloc(1 + i * 1024);
        expect(block != NULL, "malloc");
        memset(block, 1, 1 + i * 1024);
        if (i % 2)
            free(block);
    }
    pass();
}
