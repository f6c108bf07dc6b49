// What an epoll instance reports just now.
#include "../lib/sample.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>

static inline void watch(int epoll, int operation, int fd, uint32_t events, uint64_t data) {
    struct epoll_event event = {.events = events, .data = {.u64 = data}};
    expect(epoll_ctl(epoll, operation, fd, &event) == 0, "epoll_ctl %d of %d", operation, fd);
}

// The data of all events, in order, as in "1 3"; behind it ":" and the bits, if they are not EPOLLIN.
static inline const char *reported(int epoll) {
    static char text[256];
    struct epoll_event events[16];
    int count = epoll_wait(epoll, events, 16, 0), length = 0;
    expect(count >= 0, "epoll_wait");
    for (int i = 0; i < count; i++)
        for (int j = i + 1; j < count; j++)
            if (events[j].data.u64 < events[i].data.u64) {
                struct epoll_event other = events[i];
                events[i] = events[j];
                events[j] = other;
            }
    text[0] = 0;
    for (int i = 0; i < count; i++) {
        length += sprintf(text + length, "%s%llx", i ? " " : "", (unsigned long long)events[i].data.u64);
        if (events[i].events != EPOLLIN)
            length += sprintf(text + length, ":%x", events[i].events);
    }
    return text;
}

#define expect_reported(epoll, wanted)                                                             \
    do {                                                                                           \
        const char *got = reported(epoll);                                                         \
        expect(strcmp(got, wanted) == 0, "reported \"%s\" instead of \"%s\"", got, wanted);        \
    } while (0)

static inline void add(int fd, uint64_t value) { expect(write(fd, &value, 8) == 8, "write to %d", fd); }
