// The thread's name, as PR_SET_NAME has set it: odd bytes and all.
#include "../lib/sample.h"
#include <sys/prctl.h>

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char wanted[16] = "a) b\t\xc3\xa9 (name";
    prctl(PR_SET_NAME, wanted);
    ready();
    wait_for_go();
    SPOIL(1, prctl(PR_SET_NAME, "other"));
    char now[16] = {0};
    prctl(PR_GET_NAME, now);
    expect(strcmp(now, wanted) == 0, "%s", now);
    pass();
}
