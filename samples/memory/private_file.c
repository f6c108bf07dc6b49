// A private file mapping: pages that were written keep what was written, the others show the file.
#include "../lib/sample.h"

#define LENGTH (12 * PAGE)
#define TAIL 1000

static unsigned char content[LENGTH + TAIL];

int main(int argc, char **argv) {
    sample_start(argc, argv);
    fill(content, LENGTH, 1);
    memset(content + LENGTH, 'x', TAIL);
    make_file("mapped", content, sizeof content);
    int file = open("mapped", O_RDONLY);
    unsigned char *at = mmap(NULL, LENGTH + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    unsigned char *shifted = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, file, 3 * PAGE);
    expect(at != MAP_FAILED && shifted != MAP_FAILED, "mmap");
    close(file);
    fill(at + 2 * PAGE, PAGE, 2);
    at[7 * PAGE] ^= 0xff;

    ready();
    wait_for_go();
    SPOIL(1, at[2 * PAGE + 8] ^= 1);
    SPOIL(2, at[5 * PAGE] ^= 1);
    SPOIL(3, at[7 * PAGE] ^= 0xff);

    for (size_t page = 0; page < 12; page++) {
        if (page == 2)
            expect_pattern(at + 2 * PAGE, PAGE, 2);
        else if (page == 7)
            expect(at[7 * PAGE] == (content[7 * PAGE] ^ 0xff) &&
                       memcmp(at + 7 * PAGE + 1, content + 7 * PAGE + 1, PAGE - 1) == 0,
                   "written byte of page 7");
        else
            expect(memcmp(at + page * PAGE, content + page * PAGE, PAGE) == 0, "page %zu", page);
    }
    expect(at[LENGTH + TAIL - 1] == 'x' && at[LENGTH + TAIL] == 0, "tail of the file");
    expect(memcmp(shifted, content + 3 * PAGE, 2 * PAGE) == 0, "mapping at an offset");
    at[0] ^= 1;
    // What was written stayed private.
    file = open("mapped", O_RDONLY);
    static unsigned char now[LENGTH];
    expect(read(file, now, LENGTH) == (ssize_t)LENGTH, "read");
    expect(memcmp(now, content, LENGTH) == 0, "the file has changed");
    pass();
}
