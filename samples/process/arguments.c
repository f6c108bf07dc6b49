// Arguments, environment and auxiliary vector, in memory and in /proc; the program has rewritten its
// argv[0], as servers do for ps.
#include "../lib/sample.h"
#include <elf.h>
#include <sys/auxv.h>

extern char **environ;

static size_t slurp(const char *path, char *into, size_t room) {
    int file = open(path, O_RDONLY);
    expect(file >= 0, "%s", path);
    size_t length = 0;
    ssize_t got;
    while ((got = read(file, into + length, room - length)) > 0)
        length += (size_t)got;
    close(file);
    return length;
}

static char before[3][65536], now[65536];

int main(int argc, char **argv) {
    sample_start(argc, argv);
    static const char *const paths[] = {"/proc/self/cmdline", "/proc/self/environ", "/proc/self/auxv"};
    size_t length[3];
    size_t own = strlen(argv[0]);
    memset(argv[0], '#', own);
    char *first = argv[0], *variable = getenv("SAMPLE");
    expect(variable && strcmp(variable, "kept") == 0, "the harness sets SAMPLE=kept");
    for (int i = 0; i < 3; i++)
        length[i] = slurp(paths[i], before[i], sizeof before[i]);
    char **environment = environ;
    unsigned long random = getauxval(AT_RANDOM), page = getauxval(AT_PAGESZ);
    char name[4096];
    strcpy(name, (const char *)getauxval(AT_EXECFN));
    unsigned char bytes[16];
    memcpy(bytes, (void *)random, 16);

    ready();
    wait_for_go();
    SPOIL(1, memset(first, '@', 1));
    SPOIL(2, setenv("SAMPLE", "lost", 1));
    SPOIL(3, memset(variable, 'K', 1));

    for (int i = 0; i < 3; i++) {
        expect(slurp(paths[i], now, sizeof now) == length[i], "length of %s", paths[i]);
        expect(memcmp(now, before[i], length[i]) == 0, "%s", paths[i]);
    }
    expect(argv[0] == first && strspn(argv[0], "#") == own, "argv[0] is %s", argv[0]);
    expect(strcmp(getenv("SAMPLE"), "kept") == 0 && environ == environment, "environment");
    expect(getauxval(AT_PAGESZ) == page && getauxval(AT_RANDOM) == random, "auxiliary vector");
    expect(strcmp(name, (const char *)getauxval(AT_EXECFN)) == 0, "AT_EXECFN");
    expect(memcmp(bytes, (void *)getauxval(AT_RANDOM), 16) == 0, "AT_RANDOM's bytes");
    pass();
}
