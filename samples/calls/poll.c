// poll, ppoll, select and pselect: those that time ends, with what select leaves of it, and those that wait
// without an end for something to read.
//#Flags: -pthread
//#Links: pie musl
#include "calls.h"
#include <poll.h>
#include <sys/select.h>
#include <sys/time.h>

static void wake(struct wait *self) { expect(write(self->fd[1], "x", 1) == 1, "write"); }

static int woken(struct wait *self, int count) {
    char c;
    if (count != 1)
        return count < 0 ? errno : 1000 + count;
    return read(self->fd[0], &c, 1) == 1 ? 0 : 1100;
}

static int ended(int count) { return count < 0 ? errno : count == 0 ? 0 : 1000 + count; }

static int poll_time(struct wait *self, struct timespec span) {
    struct pollfd fd = {self->fd[0], POLLIN, 0};
    return ended(poll(&fd, 1, span.tv_nsec / 1000000));
}

static int poll_event(struct wait *self, struct timespec span) {
    (void)span;
    struct pollfd fd = {self->fd[0], POLLIN, 0};
    return woken(self, poll(&fd, 1, -1));
}

static int poll_either(struct wait *self, struct timespec span) {
    (void)span;
    struct pollfd fd = {self->fd[0], POLLIN, 0};
    return woken(self, poll(&fd, 1, 3600000));
}

static int ppoll_time(struct wait *self, struct timespec span) {
    struct pollfd fd = {self->fd[0], POLLIN, 0};
    sigset_t none;
    sigemptyset(&none);
    return ended(ppoll(&fd, 1, &span, &none));
}

static int ppoll_event(struct wait *self, struct timespec span) {
    (void)span;
    struct pollfd fd = {self->fd[0], POLLIN, 0};
    return woken(self, ppoll(&fd, 1, NULL, NULL));
}

static int select_time(struct wait *self, struct timespec span) {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(self->fd[0], &set);
    struct timeval time = {0, span.tv_nsec / 1000};
    int count = select(self->fd[0] + 1, &set, NULL, NULL, &time);
    // musl works on a copy.
    int right = time.tv_sec == 0 && (time.tv_usec == 0 || time.tv_usec == SPAN / 1000);
    return count == 0 && !right ? 1001 : ended(count);
}

static int select_event(struct wait *self, struct timespec span) {
    (void)span;
    fd_set set;
    FD_ZERO(&set);
    FD_SET(self->fd[0], &set);
    return woken(self, select(self->fd[0] + 1, &set, NULL, NULL, NULL));
}

static int pselect_time(struct wait *self, struct timespec span) {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(self->fd[0], &set);
    return ended(pselect(self->fd[0] + 1, &set, NULL, NULL, &span, NULL));
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    static struct wait all[] = {
        {.name = "poll", .wait = poll_time},
        {.name = "poll, event", .wait = poll_event, .wake = wake},
        {.name = "poll, event before the time", .wait = poll_either, .wake = wake},
        {.name = "ppoll", .wait = ppoll_time},
        {.name = "ppoll, event", .wait = ppoll_event, .wake = wake},
        {.name = "select", .wait = select_time},
        {.name = "select, event", .wait = select_event, .wake = wake},
        {.name = "pselect", .wait = pselect_time},
    };
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
        expect(pipe(all[i].fd) == 0, "pipe");
    calls_wait(all, sizeof all / sizeof *all);
    SPOIL(1, all[0].abnormal++);
    calls_judge(all, sizeof all / sizeof *all);
}
