// A shared file mapping is of the file still: what is stored in it arrives in the file, and the other way.
#include "../lib/sample.h"

#define LENGTH (8 * PAGE)

static unsigned char content[LENGTH];

int main(int argc, char **argv) {
    sample_start(argc, argv);
    fill(content, LENGTH, 1);
    make_file("mapped", content, LENGTH);
    int file = open("mapped", O_RDWR);
    unsigned char *at = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 4 * PAGE);
    unsigned char *view = mmap(NULL, LENGTH, PROT_READ, MAP_SHARED, file, 0);
    expect(at != MAP_FAILED && view != MAP_FAILED, "mmap");
    close(file);
    at[5] = 55;

    ready();
    wait_for_go();
    SPOIL(1, mmap(at, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0);
          memcpy(at, content + 4 * PAGE, PAGE); at[5] = 55);
    SPOIL(2, at[6] ^= 1);

    expect(at[5] == 55, "byte written before");
    content[4 * PAGE + 5] = 55;
    expect(memcmp(at, content + 4 * PAGE, 4 * PAGE) == 0, "content");
    expect(memcmp(view, content, LENGTH) == 0, "content of the read-only view");
    at[3 * PAGE] = 77;
    expect(view[7 * PAGE] == 77, "the two mappings no longer share");
    file = open("mapped", O_RDWR);
    unsigned char byte = 0;
    expect(pread(file, &byte, 1, 7 * PAGE) == 1 && byte == 77, "a store does not arrive in the file");
    byte = 78;
    expect(pwrite(file, &byte, 1, 4 * PAGE) == 1 && at[0] == 78, "a write does not arrive in the mapping");
    pass();
}
