// What the whole process has and an image cannot hold: the checkpoint is refused by name, and the program goes on.
//#Variants: seccomp mdwe aio aio_ring namespace
#include "../lib/aio.h"
#include "../lib/filter.h"
#include <sched.h>
#include <sys/eventfd.h>

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *kind = argc > 2 ? argv[2] : "seccomp";
    struct ring *context = NULL;
    uint64_t one = 1;
    int counter = -1;
    if (strcmp(kind, "seccomp") == 0) {
        filter_calls();
    } else if (strcmp(kind, "mdwe") == 0) {
        expect(prctl(65 /* PR_SET_MDWE */, 1, 0, 0, 0) == 0, "MDWE");
    } else if (strcmp(kind, "namespace") == 0) {
        expect(unshare(CLONE_NEWUSER) == 0, "this host allows no user namespaces");
    } else {
        // Two requests in flight, and one that is done.
        context = aio_setup(8);
        counter = eventfd(0, 0);
        expect(aio_poll(context, counter, 1) == 1 && aio_poll(context, counter, 2) == 1, "poll");
        expect(aio_poll(context, eventfd(1, 0), 3) == 1, "poll of what is ready");
        if (strcmp(kind, "aio_ring") == 0)
            expect(mprotect(context, PAGE, PROT_READ) == 0, "mprotect");
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
    else {
        struct event events[4];
        expect(aio_take(context, 0, 4, events) == 1 && events[0].data == 3, "what was done");
        expect(write(counter, &one, sizeof one) == sizeof one, "write");
        expect(aio_take(context, 2, 4, events) == 2 && events[0].data + events[1].data == 3, "what was in flight");
        expect(events[0].result == POLLIN && events[1].result == POLLIN, "result");
        expect(syscall(SYS_io_destroy, context) == 0, "io_destroy");
    }
    pass();
}
