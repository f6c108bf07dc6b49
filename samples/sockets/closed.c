// Unix sockets whose other end is shut down or closed, with something unread: what was sent before is read,
// then the end, or the error that the other end left behind.
//#Variants: shut both closed error packets datagrams
#include "unix.h"

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *variant = argc > 2 ? argv[2] : "shut";
    int ends[2];
    int type = !strcmp(variant, "packets") ? SOCK_SEQPACKET : !strcmp(variant, "datagrams") ? SOCK_DGRAM : SOCK_STREAM;
    expect(socketpair(AF_UNIX, type, 0, ends) == 0, "socketpair");
    expect(says(ends[1], "last words") && says(ends[0], "other"), "send");
    if (!strcmp(variant, "shut")) {
        expect(shutdown(ends[1], SHUT_WR) == 0, "shutdown");
    } else if (!strcmp(variant, "both")) {
        expect(shutdown(ends[1], SHUT_RDWR) == 0, "shutdown");
    } else {
        // An end that is closed with something unread leaves an error.
        if (strcmp(variant, "error") != 0)
            expect(reads(ends[1], "other"), "read");
        close(ends[1]);
    }
    short before = events_of(ends[0]);

    ready();
    wait_for_go();
    SPOIL(1, recv(ends[0], (char[1]){0}, 1, 0); if (!strcmp(variant, "error")) recv(ends[0], (char[99]){0}, 99, 0));
    SPOIL(2, shutdown(ends[0], SHUT_WR); if (strcmp(variant, "shut") != 0) recv(ends[0], (char[99]){0}, 99, 0));

    expect(events_of(ends[0]) == before, "events %x instead of %x", events_of(ends[0]), before);
    if (!strcmp(variant, "error")) {
        char text[20];
        expect(recv(ends[0], text, 10, 0) == 10 && memcmp(text, "last words", 10) == 0, "unread");
        expect(recv(ends[0], text, 1, 0) == -1 && errno == ECONNRESET, "error");
    } else {
        expect(reads(ends[0], "last words"), "unread");
    }
    if (type == SOCK_DGRAM) {
        expect(is_empty(ends[0]) && !says(ends[0], "x") && errno == ECONNREFUSED, "nobody is there");
        pass();
    }
    expect(recv(ends[0], (char[1]){0}, 1, MSG_DONTWAIT) == 0, "end");
    if (!strcmp(variant, "shut")) {
        expect(reads(ends[1], "other") && says(ends[0], "more") && reads(ends[1], "more"), "one way is open");
        expect(!says(ends[1], "x") && errno == EPIPE, "the other is not");
    } else {
        expect(!says(ends[0], "x") && errno == EPIPE, "no way is open");
    }
    if (!strcmp(variant, "both"))
        expect(reads(ends[1], "other") && recv(ends[1], (char[1]){0}, 1, 0) == 0, "the other end");
    pass();
}
