// What the whole process has and an image cannot hold: the checkpoint is refused by name, and the program goes on.
//#Variants: seccomp mdwe aio
#include "../lib/sample.h"
#include <sys/prctl.h>

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *kind = argc > 2 ? argv[2] : "seccomp";
    unsigned long context = 0;
    if (strcmp(kind, "seccomp") == 0) {
        // A filter of one instruction that allows everything: struct sock_filter and sock_fprog of linux/filter.h.
        struct {
            unsigned short code;
            unsigned char yes, no;
            unsigned value;
        } allow = {6, 0, 0, 0x7fff0000};
        struct {
            unsigned short length;
            void *filter;
        } program = {1, &allow};
        expect(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
        expect(prctl(PR_SET_SECCOMP, 2, &program) == 0, "seccomp");
    } else if (strcmp(kind, "mdwe") == 0) {
        expect(prctl(65 /* PR_SET_MDWE */, 1, 0, 0, 0) == 0, "MDWE");
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
    else
        expect(syscall(SYS_io_destroy, context) == 0, "io_destroy");
    pass();
}
