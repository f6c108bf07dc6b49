// What leads to another process is lost with the user's leave: a pipe and a Unix socket have come to their end, a
// TCP connection was reset, a connection that waited to be accepted and a datagram of somebody else's are not there.
//#Allow: pipe,unix,udp,tcp
//#Unseen: sockets
//#Variants: pipe full unix waiting datagram tcp tcp_waiting
#include "../lib/away.h"
#include "inet.h"
#include <sys/un.h>

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *variant = argc > 2 ? argv[2] : "pipe";
    int ends[2] = {-1, -1}, is_pipe = !strcmp(variant, "pipe"), is_full = !strcmp(variant, "full");
    signal(SIGPIPE, SIG_IGN);
    if (is_pipe || is_full) {
        expect(pipe(ends) == 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 && fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0, "pipe");
        expect(write(ends[1], "left", 4) == 4, "write");
        if (is_full) {
            int reading = ends[0];
            ends[0] = ends[1];
            ends[1] = reading;
        }
    } else if (!strcmp(variant, "unix")) {
        expect(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0 && says(ends[1], "left"), "socketpair");
    } else if (!strcmp(variant, "waiting")) {
        struct sockaddr_un here = {.sun_family = AF_UNIX, .sun_path = "listening"};
        ends[0] = new_socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK);
        ends[1] = new_socket(AF_UNIX, SOCK_STREAM);
        expect(bind(ends[0], (struct sockaddr *)&here, sizeof here) == 0 && listen(ends[0], 3) == 0, "listen");
        expect(connect(ends[1], (struct sockaddr *)&here, sizeof here) == 0, "connect");
    } else if (!strncmp(variant, "tcp", 3)) {
        int listener = bound(SOCK_STREAM, name_of("own", 0));
        ends[1] = new_socket(AF_INET, SOCK_STREAM);
        expect(listen(listener, 3) == 0 && connected(ends[1], name_at(listener, 0)), "connect");
        if (!strcmp(variant, "tcp_waiting")) {
            ends[0] = listener;
        } else {
            ends[0] = accept(listener, NULL, NULL);
            expect(ends[0] >= 0 && says(ends[1], "left") && happens(ends[0], POLLIN), "accept");
        }
        expect(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0, "flags");
    } else {
        ends[0] = bound(SOCK_DGRAM, name_of("own", 0));
        ends[1] = new_socket(AF_INET, SOCK_DGRAM);
        expect(connected(ends[1], name_at(ends[0], 0)) && says(ends[1], "left"), "send");
    }
    give_away(ends);
    int fd = ends[0];

    ready();
    wait_for_go();
    SPOIL(1, close(fd));

    char text[8] = "";
    int lost = was_restored();
    if (is_full)
        expect(write(fd, "x", 1) == (lost ? -1 : 1) && (!lost || errno == EPIPE), "write");
    else if (!strcmp(variant, "tcp")) {
        expect(!lost || (events_of(fd) & (POLLERR | POLLHUP)) == (POLLERR | POLLHUP), "events %x", events_of(fd));
        expect(read(fd, text, 8) == 4 && memcmp(text, "left", 4) == 0, "what was there before");
        expect(read(fd, text, 8) == -1 && errno == (lost ? ECONNRESET : EAGAIN), "reset");
    } else if (strstr(variant, "waiting"))
        expect(lost ? accept(fd, NULL, NULL) == -1 && errno == EAGAIN : accept(fd, NULL, NULL) >= 0, "accept");
    else if (!strcmp(variant, "datagram"))
        expect(lost ? is_empty(fd) : reads(fd, "left"), "datagram");
    else {
        expect(read(fd, text, 8) == 4 && memcmp(text, "left", 4) == 0, "what was there before");
        expect(read(fd, text, 8) == (lost ? 0 : -1), "the end");
        expect(is_pipe || !lost || (send(fd, "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE), "send");
    }
    pass();
}
