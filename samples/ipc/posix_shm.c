// POSIX shared memory. "named": open and mapped, the name stays in /dev/shm. "mapped": closed and
// unlinked, so that only the mapping holds it. "held": unlinked, only a descriptor holds it. "both":
// unlinked, open and mapped.
//#Variants: named mapped held both
#include "../lib/sample.h"

#define LENGTH (8 * PAGE)

int main(int argc, char **argv) {
    sample_start(argc, argv);
    expect(argc > 2, "variant");
    int named = strcmp(argv[2], "named") == 0, held = strcmp(argv[2], "held") == 0;
    int both = strcmp(argv[2], "both") == 0;
    char name[64];
    snprintf(name, sizeof name, "/ckpt-sample-%d", (int)getpid());
    int file = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    expect(file >= 0, "shm_open");
    expect(ftruncate(file, LENGTH) == 0, "ftruncate");
    unsigned char *view = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    expect(view != MAP_FAILED, "mmap");
    fill(view, 6 * PAGE, 1);
    if (!named)
        expect(shm_unlink(name) == 0, "shm_unlink");
    if (held) {
        expect(munmap(view, LENGTH) == 0, "munmap");
        expect(lseek(file, 100, SEEK_SET) == 100, "lseek");
    }
    if (!named && !held && !both) {
        close(file);
        file = -1;
    }
    ready();
    wait_for_go();
    // Nothing is left behind, whatever is found.
    int other = -1;
    if (named) {
        other = shm_open(name, O_RDWR, 0);
        shm_unlink(name);
        expect(other >= 0, "the name is gone");
    }
    if (held) {
        struct stat stat;
        expect(fstat(file, &stat) == 0 && stat.st_size == LENGTH && stat.st_nlink == 0, "fstat");
        expect(lseek(file, 0, SEEK_CUR) == 100, "position");
        view = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        expect(view != MAP_FAILED, "mmap");
    }
    if (both) {
        view[7 * PAGE + 1] = 5;
        unsigned char through_file = 0;
        expect(pread(file, &through_file, 1, 7 * PAGE + 1) == 1 && through_file == 5, "one object");
    }
    SPOIL(1, view[5 * PAGE] ^= 1);
    expect_pattern(view, 6 * PAGE, 1);
    expect(view[7 * PAGE] == 0, "the rest");
    if (named) {
        view[3] ^= 1;
        unsigned char through_name, through_file;
        expect(pread(other, &through_name, 1, 3) == 1 && pread(file, &through_file, 1, 3) == 1,
               "pread");
        expect(through_name == view[3] && through_file == view[3], "one object");
    }
    pass();
}
