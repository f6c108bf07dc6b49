// 64 MiB that were written with zeros, and as much that was only read: zeros take no room in the image.
//#MaxImage: 6000000
#include "../lib/sample.h"

#define LENGTH (64UL << 20)

int main(int argc, char **argv) {
    sample_start(argc, argv);
    unsigned char *written = map_private(LENGTH);
    memset(written, 0, LENGTH);
    unsigned char *read_only = map_private(LENGTH);
    unsigned sum = 0;
    for (size_t i = 0; i < LENGTH; i += PAGE)
        sum += read_only[i];
    expect(sum == 0, "fresh memory");
    written[LENGTH / 2] = 1;

    ready();
    wait_for_go();
    SPOIL(1, written[LENGTH / 4] = 1);
    SPOIL(2, written[LENGTH / 2] = 0);

    for (size_t i = 0; i < LENGTH; i += 64) {
        expect(written[i] == (i == LENGTH / 2), "offset %zu", i);
        expect(read_only[i] == 0, "offset %zu of the other", i);
    }
    memset(written, 5, LENGTH);
    pass();
}
