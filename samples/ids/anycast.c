// A program of root's with an address that it shares with other hosts (tests/rights.rs): no call tells which socket has
// it, so its checkpoints are refused.
#include "../lib/sample.h"
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
    sample_start(argc, argv);
    int fd = socket(AF_INET6, SOCK_DGRAM, 0), joined = 0;
    // Of the link's own network.
    struct ipv6_mreq request = {.ipv6mr_multiaddr = {{{0xfe, 0x80, [8] = 0xac}}}};
    memcpy(&request.ipv6mr_multiaddr.s6_addr[12], &(pid_t){getpid()}, 4);
    struct if_nameindex *names = if_nameindex();
    for (int i = 0; names && names[i].if_index; i++) {
        request.ipv6mr_interface = names[i].if_index;
        joined += setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_ANYCAST, &request, sizeof request) == 0;
    }
    expect(joined > 0, "anycast");
    ready();
    wait_for_go();
    SPOIL(1, exit(1));
    pass();
}
