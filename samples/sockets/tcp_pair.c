// TCP connections of the program to itself, both ends in its hands: what is unread in both directions, names,
// options; the listening socket is still there, or closed, or there are several connections at it.
//#Variants: own v6 mapped closed several small full bound named
#include "inet.h"

#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72
#endif

#define MOST (64 << 20)

// Sends until no more fits; tells how much it was.
static size_t fill_up(int fd, size_t piece, size_t most) {
    static char data[1 << 16];
    size_t sent = 0;
    while (sent < most) {
        size_t length = piece < most - sent ? piece : most - sent;
        for (size_t i = 0; i < length; i++)
            data[i] = (char)((sent + i) * 2654435761u >> 13);
        ssize_t got = send(fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (got < 0) {
            // What is full for the moment may be less so in the next.
            if (errno == EAGAIN && !poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, 100))
                return sent;
            expect(errno == EAGAIN, "send");
            continue;
        }
        sent += (size_t)got;
    }
    return sent;
}

// Reads exactly that, and nothing more.
static int is_there(int fd, size_t length) {
    static char data[1 << 16];
    size_t at = 0;
    while (at < length) {
        if (!happens(fd, POLLIN))
            return 0;
        ssize_t got = recv(fd, data, sizeof data, MSG_DONTWAIT);
        if (got <= 0 || at + (size_t)got > length)
            return 0;
        for (ssize_t i = 0; i < got; i++)
            if (data[i] != (char)((at + (size_t)i) * 2654435761u >> 13))
                return 0;
        at += (size_t)got;
    }
    return is_empty(fd);
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *variant = argc > 2 ? argv[2] : "own";
    int is_v6 = !strcmp(variant, "v6"), is_mapped = !strcmp(variant, "mapped"), is_closed = !strcmp(variant, "closed");
    int is_small = !strcmp(variant, "small"), is_full = !strcmp(variant, "full");
    int several = strcmp(variant, "several") ? 1 : 20;
    int server = new_socket(is_v6 || is_mapped ? AF_INET6 : AF_INET, SOCK_STREAM);
    set_option(server, SOL_SOCKET, SO_REUSEADDR, 1);
    Name at = name_of(is_v6 ? "::1" : is_mapped ? "::" : "own", 0);
    expect(bind(server, &at.any, at.length) == 0 && listen(server, 30) == 0, "listen");
    Name there = is_mapped ? name_of("127.0.0.1", port_of(server)) : name_at(server, 0);
    int ends[20][2];
    Name names[20][4];
    for (int i = 0; i < several; i++) {
        int client = new_socket(there.any.sa_family, SOCK_STREAM);
        if (is_small)
            set_option(client, SOL_SOCKET, SO_RCVBUF, 8192), set_option(client, SOL_SOCKET, SO_SNDBUF, 8192);
        if (!strcmp(variant, "bound")) {
            Name from = name_of("own", 0);
            set_option(client, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
            expect(bind(client, &from.any, from.length) == 0, "bind");
        }
        if (!strcmp(variant, "named")) {
            Name from = name_of("own", 0);
            set_option(client, SOL_SOCKET, SO_REUSEADDR, 1);
            expect(bind(client, &from.any, from.length) == 0, "bind");
        }
        expect(connected(client, there), "connect");
        ends[i][1] = accept(server, NULL, NULL);
        expect(ends[i][1] >= 0, "accept");
        // The end with the higher number is closed first, and lingers.
        ends[i][0] = i % 2 ? client : dup(client);
        if (i % 2 == 0)
            close(client);
        for (int end = 0; end < 4; end++)
            names[i][end] = name_at(ends[i][end / 2], end % 2);
    }
    int *first = ends[0];
    if (is_closed)
        close(server);
    set_option(first[0], IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(first[0], SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(first[1], IPPROTO_TCP, TCP_KEEPINTVL, 33);
    set_option(first[1], IPPROTO_TCP, TCP_USER_TIMEOUT, 54321);
    expect(setsockopt(first[0], IPPROTO_TCP, TCP_CONGESTION, "reno", 4) == 0, "congestion control");
    expect(fcntl(first[1], F_SETFL, O_NONBLOCK) == 0, "flags");
    size_t forth = fill_up(first[0], is_small ? 100 : 1 << 16, is_full || is_small ? MOST : 100000), back = fill_up(first[1], 1000, is_small ? MOST : 3000);
    for (int i = 1; i < several; i++)
        expect(says(ends[i][0], i % 2 ? "odd" : "even"), "send");

    ready();
    wait_for_go();
    SPOIL(1, recv(first[1], (char[1]){0}, 1, 0));
    SPOIL(2, recv(first[0], (char[1]){0}, 1, 0));
    SPOIL(3, close(ends[several - 1][0]));
    SPOIL(4, set_option(first[0], IPPROTO_TCP, TCP_NODELAY, 0));

    for (int i = 0; i < several; i++)
        for (int end = 0; end < 4; end++)
            expect(has_name(ends[i][end / 2], end % 2, &names[i][end]), "name %d of connection %d", end, i);
    expect(option_of(first[0], IPPROTO_TCP, TCP_NODELAY) == 1 && option_of(first[1], IPPROTO_TCP, TCP_NODELAY) == 0, "delay");
    expect(option_of(first[0], SOL_SOCKET, SO_KEEPALIVE) == 1 && option_of(first[1], IPPROTO_TCP, TCP_KEEPINTVL) == 33, "alive");
    expect(option_of(first[1], IPPROTO_TCP, TCP_USER_TIMEOUT) == 54321, "timeout");
    expect(option_of(first[0], SOL_SOCKET, SO_BUF_LOCK) == (is_small ? 3 : 0), "buffers");
    expect(!is_small || option_of(first[0], SOL_SOCKET, SO_RCVBUF) == 16384, "size of a buffer");
    char congestion[16] = "";
    socklen_t length = sizeof congestion;
    expect(getsockopt(first[0], IPPROTO_TCP, TCP_CONGESTION, congestion, &length) == 0 && !strcmp(congestion, "reno"), "%s", congestion);
    expect((fcntl(first[1], F_GETFL) & O_NONBLOCK) != 0 && (fcntl(first[0], F_GETFL) & O_NONBLOCK) == 0, "flags");
    expect(is_there(first[1], forth) && is_there(first[0], back), "content");
    for (int i = 1; i < several; i++)
        expect(reads(ends[i][1], i % 2 ? "odd" : "even") && is_empty(ends[i][0]), "content of connection %d", i);
    for (int i = 0; i < several; i++)
        for (int end = 0; end < 2; end++)
            expect(says(ends[i][end], "on") && happens(ends[i][!end], POLLIN) && reads(ends[i][!end], "on"), "goes on");
    if (!is_closed)
        expect(takes_connections(server, there), "takes connections");
    close(first[0]);
    expect(happens(first[1], POLLRDHUP) && recv(first[1], congestion, 1, 0) == 0, "the end");
    pass();
}
