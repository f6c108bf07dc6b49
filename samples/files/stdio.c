// stdio's buffers: what was written and not flushed comes out once, what was read ahead is not read again.
#include "../lib/sample.h"

int main(int argc, char **argv) {
    sample_start(argc, argv);
    FILE *lines = fopen("lines", "w");
    for (int i = 0; i < 3000; i++)
        fprintf(lines, "line %d\n", i);
    fclose(lines);
    FILE *in = fopen("lines", "r");
    int number = -1;
    for (int i = 0; i <= 1234; i++)
        expect(fscanf(in, "line %d\n", &number) == 1 && number == i, "line %d", i);
    ungetc('l', in);

    FILE *out = fopen("written", "w+");
    static char buffer[8192];
    setvbuf(out, buffer, _IOFBF, sizeof buffer);
    // More than one buffer: part of it is in the file already.
    for (int i = 0; i < 2000; i++)
        fprintf(out, "%07d\n", i);
    FILE *append = fopen("lines", "a");
    fprintf(append, "tail");

    ready();
    wait_for_go();
    SPOIL(1, fflush(out); rewind(out); fputc('x', out); fseek(out, 0, SEEK_END));
    SPOIL(2, fgetc(in); fgetc(in));
    SPOIL(3, fprintf(out, "extra"));
    SPOIL(4, fprintf(append, "s"));

    expect(fgetc(in) == 'l', "pushed-back character");
    int last = number;
    for (int i = last + 2; i < 3000; i++) {
        // The pushed-back "l" stood before "line 1235".
        if (i == last + 2) {
            char rest[32];
            expect(fgets(rest, sizeof rest, in) && strcmp(rest, "line 1235\n") == 0, "rest: %s", rest);
        }
        expect(fscanf(in, "line %d\n", &number) == 1 && number == i, "line %d", i);
    }
    fprintf(out, "%07d\n", 2000);
    rewind(out);
    for (int i = 0; i <= 2000; i++)
        expect(fscanf(out, "%d\n", &number) == 1 && number == i, "output line %d", i);
    expect(fgetc(out) == EOF, "more output than was written");
    fclose(append);
    char tail[8] = {0};
    int file = open("lines", O_RDONLY);
    lseek(file, -5, SEEK_END);
    expect(read(file, tail, 7) == 5 && strcmp(tail, "\ntail") == 0, "appended: %s", tail);
    pass();
}
