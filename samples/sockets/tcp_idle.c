// TCP sockets that neither listen nor are connected: new, with options; bound, alone and several at one port,
// one of which listens.
#include "inet.h"

int main(int argc, char **argv) {
    sample_start(argc, argv);
    int plain = new_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC), plain6 = new_socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK);
    set_option(plain, SOL_SOCKET, SO_SNDBUF, 30000);
    set_option(plain, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(plain6, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    struct linger linger = {1, 9};
    expect(setsockopt(plain, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0, "linger");
    expect(setsockopt(plain, IPPROTO_TCP, TCP_CONGESTION, "reno", 4) == 0, "congestion control");
    int first = new_socket(AF_INET, SOCK_STREAM), second = new_socket(AF_INET, SOCK_STREAM);
    set_option(first, SOL_SOCKET, SO_REUSEADDR, 1);
    set_option(second, SOL_SOCKET, SO_REUSEADDR, 1);
    Name name = name_of("own", 0);
    expect(bind(first, &name.any, name.length) == 0, "bind");
    Name there = name_at(first, 0);
    expect(bind(second, &there.any, there.length) == 0 && listen(first, 2) == 0, "bind again, and listen");
    int alone = bound(SOCK_STREAM, name), alone6 = bound(SOCK_STREAM, name_of("::1", 0));
    Name at = name_at(alone, 0), at6 = name_at(alone6, 0), none = name_at(plain, 0), none6 = name_at(plain6, 0);

    ready();
    wait_for_go();
    SPOIL(1, bind(plain, &name.any, name.length));
    SPOIL(2, close(second));
    SPOIL(3, set_option(plain, IPPROTO_TCP, TCP_NODELAY, 0));

    expect(has_name(plain, 0, &none) && has_name(plain6, 0, &none6), "those without a name");
    expect(has_name(first, 0, &there) && has_name(second, 0, &there) && has_name(alone, 0, &at) && has_name(alone6, 0, &at6), "names");
    expect(option_of(plain, SOL_SOCKET, SO_SNDBUF) == 60000 && option_of(plain, IPPROTO_TCP, TCP_NODELAY) == 1, "options");
    expect(option_of(plain6, IPPROTO_IPV6, IPV6_V6ONLY) == 1 && option_of(alone, SOL_SOCKET, SO_REUSEADDR) == 0, "more options");
    socklen_t length = sizeof linger;
    expect(getsockopt(plain, SOL_SOCKET, SO_LINGER, &linger, &length) == 0 && linger.l_onoff == 1 && linger.l_linger == 9, "linger");
    char congestion[16] = "";
    length = sizeof congestion;
    expect(getsockopt(plain, IPPROTO_TCP, TCP_CONGESTION, congestion, &length) == 0 && !strcmp(congestion, "reno"), "%s", congestion);
    expect((fcntl(plain, F_GETFD) & FD_CLOEXEC) != 0 && (fcntl(plain6, F_GETFL) & O_NONBLOCK) != 0, "flags");
    expect((events_of(plain) & (POLLRDHUP | POLLERR)) == 0 && recv(plain, &linger, 1, 0) == -1 && errno == ENOTCONN, "not connected");
    expect(takes_connections(first, there), "the first listens");
    expect(listen(alone, 1) == 0 && takes_connections(alone, at), "now this one listens");
    expect(listen(alone6, 1) == 0 && takes_connections(alone6, at6), "and this one");
    expect(connected(plain, at), "a new one connects");
    pass();
}
