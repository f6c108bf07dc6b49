// Files without a name: their content travels in the image. Written to after the unlink, sparse, opened
// twice, dup'ed, by O_PATH, and one made by O_TMPFILE.
//#MaxImage: 9000000
#include "../lib/sample.h"

#define SPARSE (1L << 30)

int main(int argc, char **argv) {
    sample_start(argc, argv);
    static unsigned char content[100000], now[100000];
    fill(content, sizeof content, 1);
    make_file("gone", content, sizeof content);
    int file = open("gone", O_RDWR);
    int second = open("gone", O_RDONLY);
    int dupped = dup(file), place = open("gone", O_PATH);
    unlink("gone");
    lseek(file, 5000, SEEK_SET);
    lseek(second, 70000, SEEK_SET);
    expect(pwrite(file, "after", 5, 90000) == 5, "pwrite");

    int sparse = open("sparse", O_RDWR | O_CREAT, 0640);
    expect(pwrite(sparse, "middle", 6, SPARSE / 2) == 6 && ftruncate(sparse, SPARSE) == 0, "sparse");
    unlink("sparse");
    int append = open("log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    expect(write(append, "12345", 5) == 5, "write");
    unlink("log");
    int empty = open("empty", O_RDWR | O_CREAT, 0600);
    unlink("empty");
    int nameless = open(".", O_RDWR | O_TMPFILE, 0600);
    if (nameless >= 0)
        expect(write(nameless, "nameless", 8) == 8, "write");

    ready();
    wait_for_go();
    SPOIL(1, pwrite(file, "x", 1, 50000));
    SPOIL(2, ftruncate(sparse, SPARSE - 1));
    SPOIL(3, dup2(open("/dev/null", O_RDWR), second));
    SPOIL(4, lseek(file, 0, SEEK_SET));
    SPOIL(5, pwrite(sparse, "x", 1, 4096));

    expect(lseek(file, 0, SEEK_CUR) == 5000 && lseek(second, 0, SEEK_CUR) == 70000, "offsets");
    memcpy(content + 90000, "after", 5);
    expect(pread(file, now, sizeof now, 0) == sizeof now && memcmp(now, content, sizeof now) == 0, "content");
    expect(pwrite(file, "shared", 6, 100) == 6, "pwrite");
    expect(pread(second, now, 6, 100) == 6 && memcmp(now, "shared", 6) == 0,
           "two openings of one file are no longer one file");
    lseek(dupped, 6000, SEEK_SET);
    expect(lseek(file, 0, SEEK_CUR) == 6000, "dup");
    struct stat is;
    expect(fstat(file, &is) == 0 && is.st_nlink == 0 && is.st_size == sizeof content, "size and links");
    struct stat there;
    expect(fstat(place, &there) == 0 && there.st_ino == is.st_ino && (fcntl(place, F_GETFL) & O_PATH), "O_PATH");
    expect(fstat(sparse, &is) == 0 && is.st_size == SPARSE && (is.st_mode & 0777) == 0640, "sparse size, mode");
    expect(is.st_blocks < 1000, "the holes are filled: %ld blocks", (long)is.st_blocks);
    expect(pread(sparse, now, 6, SPARSE / 2) == 6 && memcmp(now, "middle", 6) == 0, "sparse content");
    expect(pread(sparse, now, 1, 4096) == 1 && now[0] == 0, "hole");
    expect(fcntl(append, F_GETFD) == FD_CLOEXEC && (fcntl(append, F_GETFL) & O_APPEND), "flags");
    expect(write(append, "67", 2) == 2 && lseek(append, 0, SEEK_CUR) == 7, "append");
    expect(fstat(empty, &is) == 0 && is.st_size == 0, "empty");
    if (nameless >= 0)
        expect(pread(nameless, now, 9, 0) == 8 && memcmp(now, "nameless", 8) == 0, "O_TMPFILE");
    pass();
}
