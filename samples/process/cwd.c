// The working directory, which the program has changed since it started: relative names mean the same.
#include "../lib/sample.h"

int main(int argc, char **argv) {
    sample_start(argc, argv);
    make_file("upper", "u", 1);
    mkdir("sub", 0700);
    expect(chdir("sub") == 0, "chdir");
    make_file("lower", "l", 1);
    char before[4096], now[4096];
    expect(getcwd(before, sizeof before) != NULL, "getcwd");

    ready();
    wait_for_go();
    SPOIL(1, chdir(".."));
    expect(getcwd(now, sizeof now) != NULL && strcmp(before, now) == 0, "%s instead of %s", now, before);
    expect(open("lower", O_RDONLY) >= 0 && open("../upper", O_RDONLY) >= 0, "relative names");
    pass();
}
