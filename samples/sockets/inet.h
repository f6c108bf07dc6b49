// What the samples of Internet sockets have in common. Addresses are of this machine, and of no other process:
// 127.0.0.0/8 has one for each.
#ifndef SOCKETS_INET_H
#define SOCKETS_INET_H

#include "socket.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

// A socket's address with its length.
typedef struct {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
    socklen_t length;
} Name;

// The address of that text with that port; "own" is one that no other process uses.
static inline Name name_of(const char *text, int port) {
    Name name;
    memset(&name, 0, sizeof name);
    if (strchr(text, ':')) {
        name.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
        expect(inet_pton(AF_INET6, text, &name.v6.sin6_addr) == 1, "address %s", text);
        name.length = sizeof name.v6;
        return name;
    }
    name.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (strcmp(text, "own") == 0)
        name.v4.sin_addr.s_addr = htonl(0x7f800000u | ((unsigned)getpid() & 0x7fffffu));
    else
        expect(inet_pton(AF_INET, text, &name.v4.sin_addr) == 1, "address %s", text);
    name.length = sizeof name.v4;
    return name;
}

static inline Name name_at(int fd, int other_end) {
    Name name;
    memset(&name, 0, sizeof name);
    name.length = sizeof name.v6;
    if ((other_end ? getpeername : getsockname)(fd, &name.any, &name.length) != 0)
        name.length = 0;
    return name;
}

static inline int port_of(int fd) { return ntohs(name_at(fd, 0).v4.sin_port); }

// Is the name of this end, or of the other, the same as it was? No length for no name.
static inline int has_name(int fd, int other_end, const Name *wanted) {
    Name now = name_at(fd, other_end);
    return now.length == wanted->length && memcmp(&now, wanted, wanted->length) == 0;
}

static inline int new_socket(int family, int type) {
    int fd = socket(family, type, 0);
    expect(fd >= 0, "socket");
    return fd;
}

static inline int bound(int type, Name name) {
    int fd = new_socket(name.any.sa_family, type);
    expect(bind(fd, &name.any, name.length) == 0, "bind");
    return fd;
}

static inline int connected(int fd, Name name) { return connect(fd, &name.any, name.length) == 0; }

// Waits until something is so; what is sent to a socket of this machine is there in a moment.
static inline int happens(int fd, short events) {
    struct pollfd one = {.fd = fd, .events = events};
    return poll(&one, 1, 20000) == 1 && (one.revents & events) != 0;
}

// A new connection to there is accepted here, and works.
static inline int takes_connections(int listener, Name there) {
    int client = new_socket(there.any.sa_family, SOCK_STREAM);
    if (!connected(client, there))
        return 0;
    int server = accept(listener, NULL, NULL);
    int works = server >= 0 && says(client, "new") && happens(server, POLLIN) && reads(server, "new");
    close(client);
    close(server);
    return works;
}

#endif
