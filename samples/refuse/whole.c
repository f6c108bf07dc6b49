// What the whole process has and an image cannot hold: the checkpoint is refused by name, and the program goes on.
//#Variants: seccomp mdwe aio namespace
#include "../lib/filter.h"
#include "../lib/sample.h"
#include <sched.h>

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *kind = argc > 2 ? argv[2] : "seccomp";
    unsigned long context = 0;
    if (strcmp(kind, "seccomp") == 0) {
        filter_calls();
    } else if (strcmp(kind, "mdwe") == 0) {
        expect(prctl(65 /* PR_SET_MDWE */, 1, 0, 0, 0) == 0, "MDWE");
    } else if (strcmp(kind, "namespace") == 0) {
        expect(unshare(CLONE_NEWUSER) == 0, "this host allows no user namespaces");
    } else {
        expect(syscall(SYS_io_setup, 8, &context) == 0, "io_setup");
    }
    ready();
    wait_for_go();
    SPOIL(1, exit(1));
    if (strcmp(kind, "seccomp") == 0)
        expect(prctl(PR_GET_SECCOMP) == 2, "the filter");
    else if (strcmp(kind, "mdwe") == 0)
        expect(prctl(66 /* PR_GET_MDWE */, 0, 0, 0, 0) == 1, "MDWE");
    else if (strcmp(kind, "namespace") == 0)
        expect(unshare(CLONE_NEWNET) == 0, "rights in the namespace");
    else
        expect(syscall(SYS_io_destroy, context) == 0, "io_destroy");
    pass();
}
