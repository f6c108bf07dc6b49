// Pseudoterminals of the program to itself.
#include "../lib/sample.h"
#include <pthread.h>
#include <sys/ioctl.h>
#include <poll.h>
#include <termios.h>

#ifndef TIOCGPTLCK
#define TIOCGPTLCK 0x80045439
#endif
#ifndef TIOCGPKT
#define TIOCGPKT 0x80045438
#endif
#ifndef TIOCGEXCL
#define TIOCGEXCL 0x80045440
#endif
#ifndef TIOCGPTPEER
#define TIOCGPTPEER 0x5441
#endif

struct pty {
    int master, slave;
};

static inline int asked(int fd, unsigned long what) {
    int value = -1;
    expect(ioctl(fd, what, &value) == 0, "ioctl %#lx", what);
    return value;
}

static inline int open_master(void) {
    int fd = posix_openpt(O_RDWR | O_NOCTTY);
    expect(fd >= 0, "master");
    return fd;
}

static inline int open_slave(int master) {
    int locked = 0;
    expect(ioctl(master, TIOCSPTLCK, &locked) == 0, "unlock");
    char name[64];
    snprintf(name, sizeof name, "/dev/pts/%d", asked(master, TIOCGPTN));
    int fd = open(name, O_RDWR | O_NOCTTY);
    expect(fd >= 0, "slave %s", name);
    return fd;
}

static inline struct pty open_pty(void) {
    struct pty pty;
    pty.master = open_master();
    pty.slave = open_slave(pty.master);
    return pty;
}

// Lines, with or without echo, or bytes as they are.
static inline void set_raw(int fd) {
    struct termios modes;
    expect(tcgetattr(fd, &modes) == 0, "modes");
    cfmakeraw(&modes);
    expect(tcsetattr(fd, TCSANOW, &modes) == 0, "raw");
}

static inline void set_echo(int fd, int on) {
    struct termios modes;
    expect(tcgetattr(fd, &modes) == 0, "modes");
    modes.c_lflag = on ? modes.c_lflag | ECHO : modes.c_lflag & ~(tcflag_t)ECHO;
    expect(tcsetattr(fd, TCSANOW, &modes) == 0, "echo");
}

static inline void put(int fd, const char *text, size_t length) {
    expect(write(fd, text, length) == (ssize_t)length, "write of %zu bytes", length);
}

#define say(fd, text) put(fd, text, strlen(text))

// What one read gives; it need not wait.
static inline void hear_bytes(int fd, const char *text, size_t length) {
    char got[256];
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    ssize_t count = -1;
    // Bytes are on their way for a moment.
    for (int tries = 0; tries < 5000 && count < 0; tries++) {
        count = read(fd, got, sizeof got);
        if (count < 0 && errno == EAGAIN)
            short_sleep();
    }
    fcntl(fd, F_SETFL, flags);
    expect(count == (ssize_t)length, "%zd bytes instead of %zu", count, length);
    expect(memcmp(got, text, length) == 0, "other bytes: %.*s", (int)count, got);
}

#define hear(fd, text) hear_bytes(fd, text, strlen(text))

// Nothing comes, at once or after a moment.
static inline void hear_nothing(int fd) {
    struct pollfd look = {fd, POLLIN, 0};
    expect(poll(&look, 1, 20) == 0, "something to read");
}

static inline int can_write(int fd) {
    struct pollfd look = {fd, POLLOUT, 0};
    poll(&look, 1, 0);
    return (look.revents & POLLOUT) != 0;
}

// Waits until everything is processed that was typed.
static inline void settle(int fd, int bytes) {
    for (int tries = 0; tries < 5000; tries++) {
        if (asked(fd, FIONREAD) == bytes)
            return;
        short_sleep();
    }
    FAIL("%d bytes instead of %d", asked(fd, FIONREAD), bytes);
}
