// UDP sockets: new, bound, connected to each other and to nobody; datagrams that wait with their senders, of
// which one is closed; an empty one; options. Also UDP-Lite.
//#Variants: own all v6 dual
#include "inet.h"

static int is_from(int fd, const char *text, const Name *from) {
    char buffer[64];
    Name who;
    memset(&who, 0, sizeof who);
    who.length = sizeof who.v6;
    ssize_t got = recvfrom(fd, buffer, sizeof buffer, MSG_DONTWAIT, &who.any, &who.length);
    return got == (ssize_t)strlen(text) && memcmp(buffer, text, (size_t)got) == 0 && who.length == from->length &&
           memcmp(&who, from, who.length) == 0;
}

static Name mapped(Name name) {
    char text[64] = "::ffff:", *end = text + strlen(text);
    inet_ntop(AF_INET, &name.v4.sin_addr, end, 32);
    return name_of(text, ntohs(name.v4.sin_port));
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *variant = argc > 2 ? argv[2] : "own";
    int is_v6 = !strcmp(variant, "v6"), is_dual = !strcmp(variant, "dual"), is_all = !strcmp(variant, "all");
    const char *host = is_v6 ? "::1" : is_all || is_dual ? "127.0.0.1" : "own";
    int receiver = bound(SOCK_DGRAM, name_of(is_dual ? "::" : is_all ? "0.0.0.0" : host, 0));
    int family = is_v6 || is_dual ? AF_INET6 : AF_INET;
    Name bound_at = name_at(receiver, 0), at = name_of(host, port_of(receiver));
    if (!is_all && !is_dual)
        at = bound_at;
    int first = bound(SOCK_DGRAM, name_of(host, 0)), second = new_socket(at.any.sa_family, SOCK_DGRAM), gone = bound(SOCK_DGRAM, name_of(host, 0));
    Name first_at = name_at(first, 0), gone_at = name_at(gone, 0);
    expect(sendto(first, "one", 3, 0, &at.any, at.length) == 3, "sendto");
    expect(sendto(second, "two", 3, 0, &at.any, at.length) == 3, "sendto");
    expect(sendto(first, "", 0, 0, &at.any, at.length) == 0, "sendto");
    expect(sendto(gone, "gone", 4, 0, &at.any, at.length) == 4, "sendto");
    close(gone);
    expect(connected(first, at) && says(first, "three"), "connected");
    // Bound to any address by what it sent.
    Name second_at = name_of(is_v6 ? host : "127.0.0.1", port_of(second)), second_bound = name_at(second, 0);
    Name sender[3] = {first_at, second_at, gone_at};
    for (int i = 0; i < 3 && is_dual; i++)
        sender[i] = mapped(sender[i]);
    int pair[2] = {bound(SOCK_DGRAM, name_of(host, 0)), bound(SOCK_DGRAM, name_of(host, 0))};
    Name ends[2] = {name_at(pair[0], 0), name_at(pair[1], 0)};
    expect(connected(pair[0], ends[1]) && connected(pair[1], ends[0]) && says(pair[0], "left") && says(pair[1], "right"), "pair");
    // Its address is the kernel's choice, and of one family then.
    int client = new_socket(family, SOCK_DGRAM);
    expect(connected(client, is_dual ? mapped(at) : at), "client");
    Name client_at = name_at(client, 0);
    int plain = new_socket(AF_INET, SOCK_DGRAM), lite = socket(AF_INET, SOCK_DGRAM, 136);
    Name none = name_at(plain, 0);
    set_option(plain, SOL_SOCKET, SO_BROADCAST, 1);
    set_option(plain, IPPROTO_IP, IP_MULTICAST_TTL, 7);
    set_option(plain, IPPROTO_IP, IP_PKTINFO, 1);
    set_option(plain, IPPROTO_IP, IP_RECVERR, 1);
    set_option(receiver, SOL_SOCKET, SO_RCVBUF, 60000);
    expect(happens(receiver, POLLIN) && happens(pair[0], POLLIN) && happens(pair[1], POLLIN), "it is there");

    ready();
    wait_for_go();
    SPOIL(1, is_from(receiver, "one", &sender[0]));
    SPOIL(2, says(first, "more"));
    SPOIL(3, set_option(plain, SOL_SOCKET, SO_BROADCAST, 0));
    SPOIL(4, reads(pair[1], "left"));

    expect(has_name(receiver, 0, &bound_at) && has_name(first, 0, &first_at) && has_name(second, 0, &second_bound), "names");
    expect(has_name(first, 1, &at) && name_at(second, 1).length == 0 && has_name(plain, 0, &none), "other ends");
    expect(is_from(receiver, "one", &sender[0]) && is_from(receiver, "two", &sender[1]) && is_from(receiver, "", &sender[0]), "datagrams");
    expect(is_from(receiver, "gone", &sender[2]) && is_from(receiver, "three", &sender[0]) && is_empty(receiver), "the last ones");
    expect(reads(pair[0], "right") && reads(pair[1], "left") && is_empty(pair[0]), "pair");
    expect(option_of(plain, SOL_SOCKET, SO_BROADCAST) == 1 && option_of(plain, IPPROTO_IP, IP_MULTICAST_TTL) == 7, "options");
    expect(option_of(plain, IPPROTO_IP, IP_PKTINFO) == 1 && option_of(plain, IPPROTO_IP, IP_RECVERR) == 1, "more options");
    expect(option_of(receiver, SOL_SOCKET, SO_RCVBUF) == 120000, "buffer");
    expect(lite < 0 || option_of(lite, SOL_SOCKET, SO_PROTOCOL) == 136, "UDP-Lite");
    expect(says(first, "again") && happens(receiver, POLLIN) && is_from(receiver, "again", &sender[0]), "goes on");
    expect(has_name(client, 0, &client_at) && says(client, "z") && happens(receiver, POLLIN) && is_from(receiver, "z", &client_at), "client");
    expect(says(pair[0], "x") && happens(pair[1], POLLIN) && reads(pair[1], "x"), "pair goes on");
    expect(sendto(second, "y", 1, 0, &at.any, at.length) == 1 && happens(receiver, POLLIN) && is_from(receiver, "y", &sender[1]), "sends on");
    pass();
}
