// What the samples of sockets of any family have in common.
#ifndef SOCKETS_SOCKET_H
#define SOCKETS_SOCKET_H

#include "../lib/sample.h"
#include <poll.h>
#include <sys/socket.h>

static inline int option_of(int fd, int level, int option) {
    int value = -1;
    socklen_t length = sizeof value;
    return getsockopt(fd, level, option, &value, &length) == 0 ? value : -1;
}

static inline void set_option(int fd, int level, int option, int value) {
    expect(setsockopt(fd, level, option, &value, sizeof value) == 0, "option %d of level %d = %d", option, level, value);
}

// Does exactly this text wait in the socket, and nothing behind it in what one call takes?
static inline int reads(int fd, const char *text) {
    char buffer[4096];
    ssize_t got = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
    return got == (ssize_t)strlen(text) && memcmp(buffer, text, (size_t)got) == 0;
}

static inline int is_empty(int fd) {
    char byte;
    return recv(fd, &byte, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN;
}

static inline int says(int fd, const char *text) {
    return send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)strlen(text);
}

static inline short events_of(int fd) {
    struct pollfd one = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP | POLLPRI};
    expect(poll(&one, 1, 0) >= 0, "poll");
    return one.revents;
}

#endif
