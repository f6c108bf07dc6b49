// count N: computes, allocates and sorts in proportion to N, for counting instructions.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

// Not the C library's: it asks the kernel for the size of memory, in as many instructions as that has digits.
static void sort(uint64_t *words, size_t count) {
    for (size_t gap = count / 2; gap > 0; gap /= 2)
        for (size_t i = gap; i < count; i++) {
            uint64_t word = words[i];
            size_t j = i;
            for (; j >= gap && words[j - gap] > word; j -= gap)
                words[j] = words[j - gap];
            words[j] = word;
        }
}

int main(int argc, char **argv) {
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1;
    uint64_t x = 1;
    for (unsigned round = 0; round < rounds; round++) {
        size_t count = 5000;
        uint64_t *words = malloc(count * sizeof *words);
        for (size_t i = 0; i < count; i++)
            words[i] = x = x * 6364136223846793005 + 1442695040888963407;
        sort(words, count);
        x ^= words[count / 2];
        free(words);
    }
    printf("%016lx\n", (unsigned long)x);
}
