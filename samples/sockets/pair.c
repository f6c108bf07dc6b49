// A socketpair, both ends in the program's hands: what is unread in both directions, where messages end
// (also empty ones), flags, timeouts, dup'ed ends, buffer sizes.
//#Variants: stream dgram seqpacket
#include "unix.h"

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *variant = argc > 2 ? argv[2] : "stream";
    int type = !strcmp(variant, "dgram") ? SOCK_DGRAM : !strcmp(variant, "seqpacket") ? SOCK_SEQPACKET : SOCK_STREAM;
    int ends[2], other[2];
    expect(socketpair(AF_UNIX, type, 0, ends) == 0, "socketpair");
    expect(socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, other) == 0, "socketpair");
    int copy = dup(ends[1]);
    set_option(ends[0], SOL_SOCKET, SO_SNDBUF, 50000);
    struct timeval waits = {.tv_sec = 7, .tv_usec = 8000};
    expect(setsockopt(ends[1], SOL_SOCKET, SO_RCVTIMEO, &waits, sizeof waits) == 0, "SO_RCVTIMEO");
    int size = option_of(ends[0], SOL_SOCKET, SO_SNDBUF);
    expect(says(ends[0], "first") && says(ends[0], "second") && says(ends[1], "back"), "send");
    static char large[40000], now[50000];
    fill(large, sizeof large, 7);
    expect(send(ends[0], large, sizeof large, 0) == sizeof large, "large");
    if (type != SOCK_STREAM)
        expect(send(ends[1], "", 0, 0) == 0 && says(ends[1], "behind"), "empty");
    struct stat before[2], after;
    expect(fstat(ends[1], &before[0]) == 0 && fstat(other[0], &before[1]) == 0, "fstat");

    ready();
    wait_for_go();
    SPOIL(1, recv(copy, now, 1, 0));
    SPOIL(2, says(other[1], "x"));
    SPOIL(3, fcntl(other[0], F_SETFL, 0));
    SPOIL(4, set_option(ends[0], SOL_SOCKET, SO_SNDBUF, 90000));

    expect(fstat(copy, &after) == 0 && S_ISSOCK(after.st_mode), "kind");
    expect((fcntl(other[0], F_GETFL) & O_NONBLOCK) && !(fcntl(ends[0], F_GETFL) & O_NONBLOCK), "O_NONBLOCK");
    expect(fcntl(other[1], F_GETFD) == FD_CLOEXEC && fcntl(ends[1], F_GETFD) == 0, "close-on-exec");
    expect(option_of(ends[0], SOL_SOCKET, SO_SNDBUF) == size, "SO_SNDBUF");
    expect(option_of(ends[0], SOL_SOCKET, SO_TYPE) == type, "type");
    struct timeval set = {0};
    socklen_t length = sizeof set;
    getsockopt(copy, SOL_SOCKET, SO_RCVTIMEO, &set, &length);
    expect(set.tv_sec == 7 && set.tv_usec == 8000, "SO_RCVTIMEO");
    expect(option_of(copy, SOL_SOCKET, SO_PEEK_OFF) == -1 && option_of(copy, SOL_SOCKET, SO_PASSCRED) == 0, "defaults");
    struct ucred peer;
    length = sizeof peer;
    expect(getsockopt(ends[0], SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0, "SO_PEERCRED");
    expect((pid_t)peer.pid == getpid() && peer.uid == getuid(), "credentials of the other end");
    expect(is_empty(other[0]) && is_empty(other[1]), "the other pair is empty");
    if (type == SOCK_STREAM) {
        expect(recv(copy, now, 11, 0) == 11 && memcmp(now, "firstsecond", 11) == 0, "stream");
        expect(recv(ends[1], now, sizeof now, MSG_WAITALL | MSG_DONTWAIT) == sizeof large, "length");
    } else {
        expect(reads(copy, "first") && reads(ends[1], "second"), "messages");
        expect(recv(ends[1], now, sizeof now, 0) == sizeof large, "length");
    }
    expect(memcmp(now, large, sizeof large) == 0, "content");
    expect(reads(ends[0], "back"), "the other direction");
    if (type != SOCK_STREAM)
        expect(recv(ends[0], now, sizeof now, 0) == 0 && reads(ends[0], "behind"), "empty message");
    expect(is_empty(copy) && is_empty(ends[0]), "nothing is left");
    expect(says(ends[0], "again") && reads(copy, "again") && says(copy, "and") && reads(ends[0], "and"), "goes on");
    expect(says(other[1], "too") && reads(other[0], "too"), "the other pair goes on");
    pass();
}
