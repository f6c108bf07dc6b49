// Standard descriptors that the program has closed stay closed: nothing is to be opened in their place.
#include "../lib/sample.h"

int main(int argc, char **argv) {
    sample_start(argc, argv);
    ready();
    expect(dup2(1, 10) == 10, "dup2");
    close(0);
    close(1);
    close(2);

    wait_for_go();
    SPOIL(1, dup2(10, 2));
    SPOIL(2, dup2(10, 0));
    int closed = 0;
    for (int i = 0; i < 3; i++)
        closed += fcntl(i, F_GETFD) == -1 && errno == EBADF;
    dup2(10, 1);
    expect(closed == 3, "%d of 3 are closed", closed);
    pass();
}
