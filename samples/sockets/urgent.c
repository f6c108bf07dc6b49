// An urgent byte (MSG_OOB) that waits in a Unix stream, in line or not.
//#Variants: apart inline first
#include "unix.h"

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *variant = argc > 2 ? argv[2] : "apart";
    int ends[2], mark;
    expect(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
    if (!strcmp(variant, "inline"))
        set_option(ends[1], SOL_SOCKET, SO_OOBINLINE, 1);
    if (strcmp(variant, "first") != 0)
        expect(says(ends[0], "before"), "send");
    expect(send(ends[0], "!", 1, MSG_OOB) == 1 && says(ends[0], "after"), "send");

    ready();
    wait_for_go();
    SPOIL(1, recv(ends[1], (char[20]){0}, 3, 0); recv(ends[1], (char[20]){0}, 20, 0));
    SPOIL(2, says(ends[0], "more"));
    SPOIL(3, set_option(ends[1], SOL_SOCKET, SO_OOBINLINE, strcmp(variant, "inline") != 0));

    char text[20];
    if (!strcmp(variant, "inline")) {
        expect(reads(ends[1], "before"), "up to the mark");
        expect(ioctl(ends[1], SIOCATMARK, &mark) == 0 && mark == 1, "the mark");
        expect(reads(ends[1], "!after"), "from the mark on");
    } else {
        expect((events_of(ends[1]) & POLLPRI) != 0, "POLLPRI");
        if (strcmp(variant, "first") != 0)
            expect(reads(ends[1], "before"), "up to the mark");
        expect(ioctl(ends[1], SIOCATMARK, &mark) == 0 && mark == 1, "the mark");
        expect(recv(ends[1], text, sizeof text, MSG_OOB) == 1 && text[0] == '!', "the urgent byte");
        expect(reads(ends[1], "after"), "behind it");
    }
    expect(is_empty(ends[1]), "nothing is left");
    pass();
}
