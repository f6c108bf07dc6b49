// Mappings of a file that has no name any more, nor a descriptor: private and shared.
#include "../lib/sample.h"

#define LENGTH (6 * PAGE)

static unsigned char content[LENGTH];

int main(int argc, char **argv) {
    sample_start(argc, argv);
    fill(content, LENGTH, 1);
    make_file("gone", content, LENGTH);
    int file = open("gone", O_RDWR);
    unsigned char *private = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    unsigned char *shared = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    unsigned char *part = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file, 2 * PAGE);
    expect(private != MAP_FAILED && shared != MAP_FAILED && part != MAP_FAILED, "mmap");
    close(file);
    unlink("gone");
    private[PAGE] ^= 0xff;
    shared[5 * PAGE + 3] = 33;

    ready();
    wait_for_go();
    SPOIL(1, private[PAGE] ^= 0xff);
    SPOIL(2, shared[5 * PAGE + 3] = 0);
    SPOIL(3, mmap(part, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0);
          memcpy(part, content + 2 * PAGE, PAGE));

    expect(private[PAGE] == (content[PAGE] ^ 0xff), "written byte");
    private[PAGE] ^= 0xff;
    expect(memcmp(private, content, 5 * PAGE) == 0, "private");
    expect(memcmp(shared, content, 5 * PAGE) == 0 && shared[5 * PAGE + 3] == 33, "shared");
    expect(memcmp(part, content + 2 * PAGE, PAGE) == 0, "part");
    shared[2 * PAGE] = 44;
    expect(part[0] == 44, "the two shared mappings no longer share");
    pass();
}
