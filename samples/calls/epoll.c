// epoll_wait, epoll_pwait and epoll_pwait2: those that time ends, and those that wait for an event.
//#Flags: -pthread
//#Links: pie musl
#include "calls.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>

static void wake(struct wait *self) {
    uint64_t one = 1;
    expect(write(self->fd[1], &one, 8) == 8, "write");
}

static int woken(struct wait *self, long count) {
    uint64_t value;
    if (count != 1)
        return count < 0 ? errno : 1000 + (int)count;
    return read(self->fd[1], &value, 8) == 8 ? 0 : 1100;
}

static int ended(long count) { return count < 0 ? errno : count == 0 ? 0 : 1000 + (int)count; }

static int wait_time(struct wait *self, struct timespec span) {
    struct epoll_event event;
    return ended(epoll_wait(self->fd[0], &event, 1, span.tv_nsec / 1000000));
}

static int wait_event(struct wait *self, struct timespec span) {
    (void)span;
    struct epoll_event event;
    return woken(self, epoll_wait(self->fd[0], &event, 1, self->data ? 3600000 : -1));
}

static int pwait_time(struct wait *self, struct timespec span) {
    struct epoll_event event;
    sigset_t none;
    sigemptyset(&none);
    return ended(epoll_pwait(self->fd[0], &event, 1, span.tv_nsec / 1000000, &none));
}

static int pwait2_time(struct wait *self, struct timespec span) {
    struct epoll_event event;
    long count = syscall(441 /* epoll_pwait2 */, self->fd[0], &event, 1, &span, NULL, 8);
    if (count < 0 && errno == ENOSYS)
        return wait_time(self, span);
    return ended(count);
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    static struct wait all[] = {
        {.name = "epoll_wait", .wait = wait_time},
        {.name = "epoll_wait, event", .wait = wait_event, .wake = wake},
        {.name = "epoll_wait, event before the time", .wait = wait_event, .wake = wake, .data = (void *)1},
        {.name = "epoll_pwait", .wait = pwait_time},
        {.name = "epoll_pwait2", .wait = pwait2_time},
    };
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        struct epoll_event event = {.events = EPOLLIN};
        expect((all[i].fd[0] = epoll_create1(0)) >= 0, "epoll_create1");
        expect((all[i].fd[1] = eventfd(0, 0)) >= 0, "eventfd");
        expect(epoll_ctl(all[i].fd[0], EPOLL_CTL_ADD, all[i].fd[1], &event) == 0, "epoll_ctl");
    }
    calls_wait(all, sizeof all / sizeof *all);
    SPOIL(1, all[0].abnormal++);
    calls_judge(all, sizeof all / sizeof *all);
}
