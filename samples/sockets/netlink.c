// Netlink sockets: new, bound, in groups, of several protocols; they ask the kernel and get their answer.
//#Variants: route uevent generic
#include "../lib/sample.h"
#include <sys/socket.h>

// What linux/netlink.h and linux/rtnetlink.h have, which musl comes without.
enum { NETLINK_ROUTE = 0, NETLINK_KOBJECT_UEVENT = 15, NETLINK_GENERIC = 16, SOL_NETLINK_LEVEL = 270 };
enum { NETLINK_ADD_MEMBERSHIP = 1, NETLINK_LIST_MEMBERSHIPS = 9, NETLINK_EXT_ACK = 11, NLM_F_REQUEST = 1 };
enum { RTM_NEWLINK = 16, RTM_GETLINK = 18, RTMGRP_IPV4_MROUTE = 0x20, RTNLGRP_MPLS_NETCONF = 29 };

struct sockaddr_nl {
    sa_family_t nl_family;
    unsigned short nl_pad;
    uint32_t nl_pid, nl_groups;
};

struct nlmsghdr {
    uint32_t nlmsg_len;
    uint16_t nlmsg_type, nlmsg_flags;
    uint32_t nlmsg_seq, nlmsg_pid;
};

struct ifinfomsg {
    unsigned char ifi_family, pad;
    unsigned short ifi_type;
    int ifi_index;
    unsigned ifi_flags, ifi_change;
};

static struct sockaddr_nl name_at(int fd) {
    struct sockaddr_nl name;
    socklen_t length = sizeof name;
    memset(&name, 0, sizeof name);
    expect(getsockname(fd, (struct sockaddr *)&name, &length) == 0 && length == sizeof name, "getsockname");
    return name;
}

static uint64_t groups_of(int fd) {
    uint64_t groups[8] = {0};
    socklen_t length = sizeof groups;
    expect(getsockopt(fd, SOL_NETLINK_LEVEL, NETLINK_LIST_MEMBERSHIPS, groups, &length) == 0, "groups");
    return groups[0];
}

// Asks for the loopback device, which has the number 1.
static int answers(int fd) {
    struct {
        struct nlmsghdr head;
        struct ifinfomsg what;
    } ask = {{sizeof ask, RTM_GETLINK, NLM_F_REQUEST, 77, 0}, {.ifi_index = 1}};
    char answer[8192];
    if (send(fd, &ask, sizeof ask, 0) != sizeof ask || recv(fd, answer, sizeof answer, 0) < (ssize_t)sizeof ask)
        return 0;
    memcpy(&ask, answer, sizeof ask);
    return ask.head.nlmsg_type == RTM_NEWLINK && ask.head.nlmsg_seq == 77 && ask.head.nlmsg_pid == name_at(fd).nl_pid;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *variant = argc > 2 ? argv[2] : "route";
    int is_route = !strcmp(variant, "route"), protocol = is_route ? NETLINK_ROUTE : !strcmp(variant, "uevent") ? NETLINK_KOBJECT_UEVENT : NETLINK_GENERIC;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), plain = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE);
    expect(fd >= 0 && plain >= 0, "socket");
    struct sockaddr_nl name = {.nl_family = AF_NETLINK, .nl_groups = is_route ? RTMGRP_IPV4_MROUTE : protocol == NETLINK_KOBJECT_UEVENT ? 1 : 0};
    expect(bind(fd, (struct sockaddr *)&name, sizeof name) == 0, "bind");
    int one = 1, group = RTNLGRP_MPLS_NETCONF;
    if (is_route)
        expect(setsockopt(fd, SOL_NETLINK_LEVEL, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) == 0, "group");
    expect(setsockopt(fd, SOL_NETLINK_LEVEL, NETLINK_EXT_ACK, &one, sizeof one) == 0, "option");
    struct sockaddr_nl before = name_at(fd), unbound = name_at(plain);
    uint64_t groups = groups_of(fd);
    expect(!is_route || (groups & 1UL << (group - 1)) != 0, "groups");

    ready();
    wait_for_go();
    SPOIL(1, close(fd));
    SPOIL(2, one = 0; setsockopt(fd, SOL_NETLINK_LEVEL, NETLINK_EXT_ACK, &one, sizeof one));

    struct sockaddr_nl now = name_at(fd), still = name_at(plain);
    expect(memcmp(&now, &before, sizeof now) == 0, "port %u, not %u", now.nl_pid, before.nl_pid);
    expect(memcmp(&still, &unbound, sizeof still) == 0, "the one without a port");
    expect(groups_of(fd) == groups && groups_of(plain) == 0, "groups");
    socklen_t length = sizeof one;
    one = 0;
    expect(getsockopt(fd, SOL_NETLINK_LEVEL, NETLINK_EXT_ACK, &one, &length) == 0 && one == 1, "option");
    expect((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0, "flags");
    expect(answers(plain) && (!is_route || answers(fd)), "the kernel answers");
    pass();
}
