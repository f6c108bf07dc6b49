// Standard streams that are regular files go on where they were: input half read, output at its offset.
// The harness gives three lines of input.
#include "../lib/sample.h"

int main(int argc, char **argv) {
    sample_start(argc, argv);
    char line[13];
    expect(read(0, line, 13) == 13 && memcmp(line, "input line 1\n", 13) == 0, "first line");
    printf("between\n");
    fprintf(stderr, "to standard error\n");

    ready();
    wait_for_go();
    SPOIL(1, lseek(0, 0, SEEK_SET));
    SPOIL(2, lseek(1, 0, SEEK_SET));
    SPOIL(3, dup2(1, 2));

    expect(read(0, line, 13) == 13 && memcmp(line, "input line 2\n", 13) == 0, "second line: %.13s", line);
    expect(lseek(1, 0, SEEK_CUR) == 14, "standard output is at %ld", (long)lseek(1, 0, SEEK_CUR));
    struct stat out, error;
    expect(fstat(1, &out) == 0 && fstat(2, &error) == 0 && out.st_ino != error.st_ino, "2 is 1");
    pass();
}
