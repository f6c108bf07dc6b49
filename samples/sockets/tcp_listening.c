// A TCP socket that listens: at an address, at all of them, in version 6, at a port that several share, on one
// device; its options and how many may wait; it takes connections.
//#Variants: own loopback all v6 v6all v6only reuseport device mptcp
#include "inet.h"

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *variant = argc > 2 ? argv[2] : "own";
    int is_v6 = strncmp(variant, "v6", 2) == 0, is_shared = strcmp(variant, "reuseport") == 0;
    const char *at = !strcmp(variant, "loopback") ? "127.0.0.1" : !strcmp(variant, "all") ? "0.0.0.0" : !strcmp(variant, "v6") ? "::1" : is_v6 ? "::" : "own";
    Name name = name_of(at, 0);
    int server = socket(name.any.sa_family, SOCK_STREAM, !strcmp(variant, "mptcp") ? 262 : 0);
    if (server < 0 && !strcmp(variant, "mptcp"))
        server = new_socket(AF_INET, SOCK_STREAM);
    if (is_v6)
        set_option(server, IPPROTO_IPV6, IPV6_V6ONLY, strcmp(variant, "v6only") == 0);
    if (is_shared)
        set_option(server, SOL_SOCKET, SO_REUSEPORT, 1);
    else
        set_option(server, SOL_SOCKET, SO_REUSEADDR, 1);
    if (strcmp(variant, "device") == 0)
        expect(setsockopt(server, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2) == 0, "device");
    set_option(server, SOL_SOCKET, SO_RCVBUF, 50000);
    set_option(server, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(server, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(server, IPPROTO_TCP, TCP_KEEPIDLE, 77);
    int timeout = strcmp(variant, "mptcp") ? 12345 : 0;
    if (timeout)
        set_option(server, IPPROTO_TCP, TCP_USER_TIMEOUT, timeout);
    if (!is_v6)
        set_option(server, IPPROTO_IP, IP_TOS, 0x10);
    expect(bind(server, &name.any, name.length) == 0, "bind");
    expect(listen(server, 17) == 0, "listen");
    expect(fcntl(server, F_SETFL, O_NONBLOCK) == 0, "fcntl");
    Name there = name_at(server, 0), reached = there;
    int second = -1;
    if (is_shared) {
        second = new_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
        set_option(second, SOL_SOCKET, SO_REUSEPORT, 1);
        expect(bind(second, &there.any, there.length) == 0 && listen(second, 3) == 0, "second");
    }
    if (!strcmp(at, "::"))
        reached.v6.sin6_addr = in6addr_loopback;
    Name mapped = name_of("127.0.0.1", port_of(server));
    int only = option_of(server, IPPROTO_IPV6, IPV6_V6ONLY);

    ready();
    wait_for_go();
    SPOIL(1, close(server));
    SPOIL(2, set_option(server, IPPROTO_TCP, TCP_NODELAY, 0));
    SPOIL(3, listen(server, 5));
    SPOIL(4, set_option(server, SOL_SOCKET, SO_REUSEADDR, is_shared));

    expect(has_name(server, 0, &there), "name");
    expect(option_of(server, SOL_SOCKET, SO_ACCEPTCONN) == 1, "listening");
    struct tcp_info info;
    socklen_t length = sizeof info;
    expect(getsockopt(server, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 && info.tcpi_sacked == 17, "backlog %u", info.tcpi_sacked);
    expect(option_of(server, SOL_SOCKET, SO_REUSEADDR) == !is_shared && option_of(server, SOL_SOCKET, SO_REUSEPORT) == is_shared, "reuse");
    expect(option_of(server, SOL_SOCKET, SO_RCVBUF) == 100000 && option_of(server, SOL_SOCKET, SO_KEEPALIVE) == 1, "options");
    expect(option_of(server, IPPROTO_TCP, TCP_NODELAY) == 1 && option_of(server, IPPROTO_TCP, TCP_KEEPIDLE) == 77, "options of TCP");
    expect(!timeout || option_of(server, IPPROTO_TCP, TCP_USER_TIMEOUT) == timeout, "user timeout");
    expect(is_v6 || option_of(server, IPPROTO_IP, IP_TOS) == 0x10, "type of service");
    expect(option_of(server, IPPROTO_IPV6, IPV6_V6ONLY) == only, "v6only");
    expect((fcntl(server, F_GETFL) & O_NONBLOCK) != 0, "flags");
    char device[IFNAMSIZ] = "";
    length = sizeof device;
    expect(getsockopt(server, SOL_SOCKET, SO_BINDTODEVICE, device, &length) == 0, "device");
    expect(strcmp(device, strcmp(variant, "device") == 0 ? "lo" : "") == 0, "device %s", device);
    if (is_shared) {
        expect(has_name(second, 0, &there), "name of the second");
        close(server);
        server = second;
    }
    expect(accept(server, NULL, NULL) == -1 && errno == EAGAIN, "nobody waits");
    expect(takes_connections(server, reached), "takes connections");
    if (!strcmp(variant, "v6all"))
        expect(takes_connections(server, mapped), "takes connections of version 4");
    pass();
}
