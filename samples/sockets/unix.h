// What the samples of Unix sockets have in common.
#ifndef SOCKETS_UNIX_H
#define SOCKETS_UNIX_H

#include "socket.h"
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/un.h>

// A name: "@..." is abstract.
static inline socklen_t name_of(struct sockaddr_un *name, const char *text) {
    memset(name, 0, sizeof *name);
    name->sun_family = AF_UNIX;
    strncpy(name->sun_path, text, sizeof name->sun_path - 1);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(text));
    if (text[0] == '@') {
        name->sun_path[0] = 0;
        return length;
    }
    return length + 1;
}

// A name that no other process has: abstract ones belong to the whole machine.
static inline const char *own_name(const char *kind, const char *base) {
    static char text[4][64];
    static int next;
    char *here = text[next++ % 4];
    if (strcmp(kind, "abstract") == 0)
        snprintf(here, sizeof text[0], "@ckpt-%s-%d", base, (int)getpid());
    else
        snprintf(here, sizeof text[0], "%s", base);
    return here;
}

static inline int bound(int type, const char *text) {
    struct sockaddr_un name;
    socklen_t length = name_of(&name, text);
    int fd = socket(AF_UNIX, type, 0);
    expect(fd >= 0 && bind(fd, (struct sockaddr *)&name, length) == 0, "bind to %s", text);
    return fd;
}

static inline void connect_to(int fd, const char *text) {
    struct sockaddr_un name;
    socklen_t length = name_of(&name, text);
    expect(connect(fd, (struct sockaddr *)&name, length) == 0, "connect to %s", text);
}

// Is the name of this end, or of the other, that text? Empty text for no name.
static inline int has_name(int fd, int other_end, const char *text) {
    struct sockaddr_un name, wanted;
    socklen_t length = sizeof name;
    memset(&name, 0, sizeof name);
    if ((other_end ? getpeername : getsockname)(fd, (struct sockaddr *)&name, &length) != 0)
        return 0;
    if (!text[0])
        return length == sizeof(sa_family_t);
    socklen_t expected = name_of(&wanted, text);
    return length == expected && memcmp(&name, &wanted, length) == 0;
}

#endif
