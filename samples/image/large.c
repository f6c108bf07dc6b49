// A program whose image takes a while to write, so that a dump can be cut off in the middle.
//#Links: static
#include "../lib/sample.h"

#define LENGTH (48UL << 20)

int main(int argc, char **argv) {
    sample_start(argc, argv);
    unsigned char *block = map_private(LENGTH);
    fill(block, LENGTH, 7);
    ready();
    wait_for_go();
    expect_pattern(block, LENGTH, 7);
    pass();
}
