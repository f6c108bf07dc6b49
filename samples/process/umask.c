// The file creation mask.
#include "../lib/sample.h"

int main(int argc, char **argv) {
    sample_start(argc, argv);
    umask(0137);
    ready();
    wait_for_go();
    SPOIL(1, umask(022));
    int file = open("made", O_CREAT | O_RDWR, 0777);
    struct stat is;
    expect(file >= 0 && fstat(file, &is) == 0, "create");
    expect((is.st_mode & 0777) == 0640, "mode %o", is.st_mode & 0777);
    expect(umask(0) == 0137, "umask");
    pass();
}
