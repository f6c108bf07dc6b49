// io_getevents and io_pgetevents: with a time that ends them, without one, and with one that is far away; with a signal
// mask of their own; and such as have taken a part of the events that they want when they are interrupted.
//#Flags: -pthread
//#Links: pie musl
#include "../lib/aio.h"
#include "calls.h"
#include <sys/eventfd.h>

enum { PART = 2, WANTED = 5 };

static int from_context(struct wait *self, long least, struct event *events, struct timespec *span) {
    if (!self->fd[0])
        return (int)syscall(SYS_io_getevents, self->data, least, (long)WANTED, events, span);
    // As `struct __aio_sigset` of fs/aio.c.
    uint64_t mask = 1UL << (SIGUSR1 - 1);
    struct {
        uint64_t *mask;
        size_t size;
    } signals = {&mask, sizeof mask};
    return (int)syscall(333 /* io_pgetevents */, self->data, least, (long)WANTED, events, span, &signals);
}

// What `count` events are that were completed in order from `first` on.
static int are(const struct event *events, int got, int count, uint64_t first) {
    for (int i = 0; i < got; i++)
        if (events[i].data != first + i || events[i].result != POLLIN)
            return 1001;
    return got == count ? 0 : got < 0 ? errno : 1000 + got;
}

static void complete(struct wait *self, int from, int count) {
    for (int i = 0; i < count; i++)
        expect(aio_poll(self->data, self->fd[1], from + i) == 1, "io_submit");
}

static int by_time(struct wait *self, struct timespec span) {
    struct event events[WANTED];
    return are(events, from_context(self, 1, events, &span), 0, 0);
}

// Some of what it wants is there.
static int by_time_some(struct wait *self, struct timespec span) {
    struct event events[WANTED];
    complete(self, 0, PART);
    return are(events, from_context(self, WANTED, events, &span), PART, 0);
}

static int by_events(struct wait *self, struct timespec span) {
    (void)span;
    struct event events[WANTED];
    return are(events, from_context(self, 1, events, NULL), 1, 7);
}
static void wake_events(struct wait *self) { complete(self, 7, 1); }

static int by_events_some(struct wait *self, struct timespec span) {
    struct event events[WANTED];
    complete(self, 0, PART);
    span.tv_sec = 3600;
    return are(events, from_context(self, WANTED, events, self->fd[0] ? &span : NULL), WANTED, 0);
}
static void wake_some(struct wait *self) { complete(self, PART, WANTED - PART); }

int main(int argc, char **argv) {
    sample_start(argc, argv);
    static struct wait all[] = {
        {.name = "io_getevents, timed", .wait = by_time},
        {.name = "io_getevents, timed, some", .wait = by_time_some},
        {.name = "io_getevents", .wait = by_events, .wake = wake_events},
        {.name = "io_getevents, some", .wait = by_events_some, .wake = wake_some},
        {.name = "io_pgetevents, timed", .wait = by_time, .fd = {1}},
        {.name = "io_pgetevents, timed, some", .wait = by_time_some, .fd = {1}},
        {.name = "io_pgetevents", .wait = by_events, .wake = wake_events, .fd = {1}},
        {.name = "io_pgetevents, some, time far away", .wait = by_events_some, .wake = wake_some, .fd = {1}},
    };
    // One that is always ready.
    int ready = eventfd(1, 0);
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        all[i].data = aio_setup(8);
        all[i].fd[1] = ready;
    }
    calls_wait(all, sizeof all / sizeof *all);
    SPOIL(1, all[0].abnormal++);
    calls_judge(all, sizeof all / sizeof *all);
}
