// UDP sockets in multicast groups: who hears whom. Of several groups, on every interface there is; all sources, only
// some, all but some, and as many as may be; bound to any address, to a group's, to none; one that only sends, by an
// interface of its choice. A TCP socket can be in a group, too, though it gets nothing by that.
//#Variants: v4 v6 dual
#include "inet.h"

// Most sources by default (igmp_max_msf, mld_max_msf).
enum { MOST4 = 10, MOST6 = 64 };

static int level, pid;
// By which interface it is sent, and from where. Version 6 has no way to groups by the loopback interface: it is another
// then, which nothing leaves by for want of hops.
static unsigned medium;
static Name from;

// The n-th group, of this process alone as far as the address has room for it.
static Name group(int n, int port) {
    char text[64];
    if (level == IPPROTO_IP)
        snprintf(text, sizeof text, "239.%d.%d.%d", pid >> 8 & 0xff, pid & 0xff, n);
    else
        snprintf(text, sizeof text, "ff1e::%x:%x:%x", pid >> 16, pid & 0xffff, n);
    return name_of(text, port);
}

// The n-th source; the first is this machine's.
static Name source(int n) {
    char text[64];
    if (n == 0)
        return from;
    snprintf(text, sizeof text, level == IPPROTO_IP ? "127.0.1.%d" : "2001:db8::%x", n);
    return name_of(text, 0);
}

static void join(int fd, unsigned interface, Name name) {
    struct group_req request = {.gr_interface = interface};
    memcpy(&request.gr_group, &name, name.length);
    expect(setsockopt(fd, level, MCAST_JOIN_GROUP, &request, sizeof request) == 0, "join");
}

static int with_source(int fd, int option, Name name, Name heard) {
    struct group_source_req request = {.gsr_interface = medium};
    memcpy(&request.gsr_group, &name, name.length);
    memcpy(&request.gsr_source, &heard, heard.length);
    return setsockopt(fd, level, option, &request, sizeof request) == 0;
}

// Is it in the group, heeding `count` sources from the `first` on (MCAST_INCLUDE), or all but them (MCAST_EXCLUDE)?
static int is_in(int fd, unsigned interface, Name name, unsigned mode, int first, int count) {
    static char room[GROUP_FILTER_SIZE(MOST6 + 1)];
    struct group_filter *filter = (struct group_filter *)room;
    socklen_t length = sizeof room;
    memset(room, 0, sizeof room);
    filter->gf_interface = interface;
    filter->gf_numsrc = MOST6 + 1;
    memcpy(&filter->gf_group, &name, name.length);
    if (getsockopt(fd, level, MCAST_MSFILTER, filter, &length) != 0)
        return 0;
    if (filter->gf_fmode != mode || filter->gf_numsrc != (unsigned)count)
        return 0;
    for (int i = 0, found; i < count; i++) {
        Name wanted = source(first + i);
        found = 0;
        for (int j = 0; j < count; j++) {
            struct sockaddr_in *four = (void *)&filter->gf_slist[j];
            struct sockaddr_in6 *six = (void *)four;
            found += level == IPPROTO_IP ? four->sin_addr.s_addr == wanted.v4.sin_addr.s_addr
                                         : memcmp(&six->sin6_addr, &wanted.v6.sin6_addr, 16) == 0;
        }
        if (found != 1)
            return 0;
    }
    return 1;
}

static int sends(int fd, Name to, const char *text) {
    return sendto(fd, text, strlen(text), 0, &to.any, to.length) == (ssize_t)strlen(text);
}

static int hears(int fd, const char *text) { return happens(fd, POLLIN) && reads(fd, text); }

// A sender by that interface.
static int new_sender(void) {
    int fd = new_socket(from.any.sa_family, SOCK_DGRAM);
    if (level == IPPROTO_IP)
        expect(setsockopt(fd, level, IP_MULTICAST_IF, &from.v4.sin_addr, 4) == 0, "interface");
    else
        set_option(fd, level, IPV6_MULTICAST_IF, (int)medium);
    set_option(fd, level, level == IPPROTO_IP ? IP_MULTICAST_TTL : IPV6_MULTICAST_HOPS, 0);
    return fd;
}

// Finds an interface by which a group can be reached; false if there is none.
static int find_medium(const struct if_nameindex *names) {
    from = name_of(level == IPPROTO_IP ? "127.0.0.1" : "::1", 0);
    medium = if_nametoindex("lo");
    if (level == IPPROTO_IP)
        return 1;
    unsigned loopback = medium;
    for (; names && names->if_index; names++) {
        medium = names->if_index;
        int fd = new_sender(), found = connected(fd, group(0, 9));
        Name here = name_at(fd, 0);
        close(fd);
        if (found && medium != loopback) {
            here.v6.sin6_port = 0;
            from = here;
            return 1;
        }
    }
    medium = loopback;
    return 0;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *variant = argc > 2 ? argv[2] : "v4";
    int is_dual = !strcmp(variant, "dual"), is_v6 = !strcmp(variant, "v6");
    level = is_v6 ? IPPROTO_IPV6 : IPPROTO_IP;
    pid = getpid();
    struct if_nameindex *names = if_nameindex();
    int can_send = find_medium(names);
    int family = is_v6 || is_dual ? AF_INET6 : AF_INET, most = is_v6 ? MOST6 : MOST4;
    enum { ALL, ONLY, BUT, MANY, NONE };

    int fd = bound(SOCK_DGRAM, name_of(family == AF_INET6 ? "::" : "0.0.0.0", 0)), port = port_of(fd);
    // Only what was joined by this socket itself.
    set_option(fd, level, is_v6 ? 29 /* IPV6_MULTICAST_ALL */ : IP_MULTICAST_ALL, 0);
    join(fd, medium, group(ALL, 0));
    expect(with_source(fd, MCAST_JOIN_SOURCE_GROUP, group(ONLY, 0), source(1)), "one source");
    join(fd, medium, group(BUT, 0));
    expect(with_source(fd, MCAST_BLOCK_SOURCE, group(BUT, 0), source(0)), "block");
    for (int i = 0; i < most; i++)
        expect(with_source(fd, MCAST_JOIN_SOURCE_GROUP, group(MANY, 0), source(i)), "source %d", i);

    // On every other interface, too.
    int everywhere = new_socket(family, SOCK_DGRAM), count = 0;
    unsigned interface[8];
    for (int i = 0; names && names[i].if_index && count < 8; i++) {
        struct group_req request = {.gr_interface = names[i].if_index};
        Name name = group(ALL, 0);
        memcpy(&request.gr_group, &name, name.length);
        // One without addresses takes none.
        if (setsockopt(everywhere, level, MCAST_JOIN_GROUP, &request, sizeof request) == 0)
            interface[count++] = names[i].if_index;
    }
    if_freenameindex(names);
    expect(count > 0, "interfaces");

    int tcp = new_socket(family, SOCK_STREAM);
    join(tcp, medium, group(ALL, 0));

    // Its address is the group's, and its port that of the first.
    int own = new_socket(is_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM);
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    set_option(own, SOL_SOCKET, SO_REUSEADDR, 1);
    Name its = group(ALL, port);
    expect(bind(own, &its.any, its.length) == 0, "bind");
    join(own, medium, group(ALL, 0));

    int sender = new_sender(), directed = new_sender();
    expect(connected(directed, group(MANY, port)) == can_send, "connect");
    expect(!can_send || (sends(sender, group(MANY, port), "waits") && happens(fd, POLLIN)), "it is there");
    Name sender_at = name_at(sender, 0), directed_at = name_at(directed, 0), directed_to = name_at(directed, 1);

    ready();
    wait_for_go();
    SPOIL(1, expect(with_source(fd, MCAST_BLOCK_SOURCE, group(ALL, 0), source(0)), "block"));
    SPOIL(2, expect(with_source(fd, MCAST_LEAVE_SOURCE_GROUP, group(MANY, 0), source(most - 1)), "leave"));
    SPOIL(3, expect(with_source(fd, MCAST_UNBLOCK_SOURCE, group(BUT, 0), source(0)), "unblock"));
    SPOIL(4, join(own, medium, group(NONE, 0)));

    expect(is_in(fd, medium, group(ALL, 0), MCAST_EXCLUDE, 0, 0), "a group");
    expect(is_in(fd, medium, group(ONLY, 0), MCAST_INCLUDE, 1, 1), "one source");
    expect(is_in(fd, medium, group(BUT, 0), MCAST_EXCLUDE, 0, 1), "all sources but one");
    expect(is_in(fd, medium, group(MANY, 0), MCAST_INCLUDE, 0, most), "many sources");
    for (int i = 0; i < count; i++)
        expect(is_in(everywhere, interface[i], group(ALL, 0), MCAST_EXCLUDE, 0, 0), "interface %u", interface[i]);
    expect(is_in(tcp, medium, group(ALL, 0), MCAST_EXCLUDE, 0, 0), "TCP");
    expect(is_in(own, medium, group(ALL, 0), MCAST_EXCLUDE, 0, 0), "its own group");
    expect(!is_in(own, medium, group(NONE, 0), MCAST_EXCLUDE, 0, 0), "no group");
    expect(has_name(own, 0, &its) && has_name(sender, 0, &sender_at), "names");
    expect(has_name(directed, 0, &directed_at) && has_name(directed, 1, &directed_to), "ends");
    expect(option_of(sender, level, is_v6 ? IPV6_MULTICAST_HOPS : IP_MULTICAST_TTL) == 0, "hops");
    expect(!is_v6 || option_of(sender, level, IPV6_MULTICAST_IF) == (int)medium, "interface");

    if (!can_send)
        pass();
    expect(reads(fd, "waits") && is_empty(fd), "what waited");
    // What is not heard would come before what is.
    expect(sends(sender, group(ONLY, port), "only") && sends(sender, group(BUT, port), "but"), "not heard");
    expect(sends(sender, group(NONE, port), "none"), "another group");
    expect(sends(sender, group(ALL, port), "all") && hears(fd, "all") && is_empty(fd), "heard");
    expect(hears(own, "all") && is_empty(own), "heard at the group's address");
    expect(says(directed, "many") && hears(fd, "many") && is_empty(fd), "many sources are heard");
    expect(with_source(fd, MCAST_UNBLOCK_SOURCE, group(BUT, 0), source(0)), "unblock");
    expect(sends(sender, group(BUT, port), "unblocked") && hears(fd, "unblocked"), "source unblocked");
    pass();
}
