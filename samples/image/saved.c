// Files with a name, open for writing and for reading; tests/files.rs changes them between checkpoint and restore.
// Variant "saved": the contents of those that are open for writing are as they were.
#include "../lib/sample.h"
#include <sys/wait.h>

#define LENGTH (300 * PAGE + 100)
#define SPARSE (64L << 20)

static unsigned char content[LENGTH], now[LENGTH];

static void expect_file(const char *name, const void *wanted, size_t length) {
    int file = open(name, O_RDONLY);
    struct stat is;
    expect(file >= 0 && fstat(file, &is) == 0 && is.st_size == (long)length, "size of %s", name);
    expect(read(file, now, sizeof now) == (ssize_t)length && memcmp(now, wanted, length) == 0, "%s", name);
    close(file);
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    int saved = argc > 2 && strcmp(argv[2], "saved") == 0;
    fill(content, LENGTH, 1);
    make_file("data", content, LENGTH);
    make_file("log", "first line\n", 11);
    make_file("both", "both ways", 9);
    make_file("input", "to be read", 10);
    make_file("locked", "locked", 6);
    make_file("mapped", content, 2 * PAGE);
    int data = open("data", O_RDWR), log = open("log", O_WRONLY | O_APPEND);
    int out = open("both", O_WRONLY), in = open("both", O_RDONLY), input = open("input", O_RDONLY);
    int locked = open("locked", O_RDWR), sparse = open("sparse", O_RDWR | O_CREAT, 0640);
    int mapped = open("mapped", O_RDWR);
    expect(link("both", "link") == 0, "link");
    unsigned char *view = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, mapped, 0);
    expect(view != MAP_FAILED, "mmap");
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    expect(fcntl(locked, F_SETLK, &lock) == 0, "lock");
    expect(pwrite(sparse, "middle", 6, SPARSE / 2) == 6 && ftruncate(sparse, SPARSE) == 0, "sparse");
    expect(write(log, "second line\n", 12) == 12, "write");
    expect(lseek(data, 200 * PAGE, SEEK_SET) > 0 && read(in, now, 5) == 5 && read(input, now, 3) == 3, "positions");
    struct stat before, after;
    fstat(data, &before);

    ready();
    wait_for_go();
    SPOIL(1, pwrite(data, "!", 1, 0));
    SPOIL(2, ftruncate(sparse, 1));
    SPOIL(3, write(log, "!", 1));

    if (saved || !was_restored()) {
        expect_file("data", content, LENGTH);
        expect_file("log", "first line\nsecond line\n", 23);
        expect_file("both", "both ways", 9);
        expect_file("mapped", content, 2 * PAGE);
        expect(memcmp(view, content, 2 * PAGE) == 0, "view");
        struct stat is;
        expect(fstat(sparse, &is) == 0 && is.st_size == SPARSE && (is.st_mode & 0777) == 0640, "sparse");
        expect(is.st_blocks < 1000, "the holes are filled: %ld blocks", (long)is.st_blocks);
        char text[7] = "";
        expect(pread(sparse, text, 6, SPARSE / 2) == 6 && strcmp(text, "middle") == 0, "sparse");
        expect(pread(sparse, text, 6, SPARSE / 4) == 6 && text[0] == 0 && text[5] == 0, "hole");
    }
    // Each descriptor is of the file that has the name.
    expect(lseek(data, 0, SEEK_CUR) == 200 * PAGE && lseek(input, 0, SEEK_CUR) == 3, "positions");
    expect(pwrite(data, "X", 1, 77) == 1, "pwrite");
    int again = open("data", O_RDONLY);
    expect(fstat(again, &after) == 0 && fstat(data, &before) == 0 && after.st_ino == before.st_ino, "another file");
    expect(pread(again, now, 1, 77) == 1 && now[0] == 'X', "another file");
    expect(write(out, "BOTH", 4) == 4 && pread(in, now, 4, 0) == 4 && memcmp(now, "BOTH", 4) == 0, "two files");
    expect(lseek(in, 0, SEEK_CUR) == 5, "position");
    pid_t child = fork();
    if (child == 0)
        _exit(fcntl(open("locked", O_RDWR), F_SETLK, &lock) == 0 ? 1 : 0);
    int status = -1;
    expect(waitpid(child, &status, 0) == child && status == 0, "the lock is lost");
    pass();
}
