// Sleeps: nanosleep with and without a place for the rest, which stays as it was; clock_nanosleep, relative
// and absolute, on every clock; usleep.
//#Flags: -pthread
//#Links: pie musl
#include "calls.h"

static int nanosleep_plain(struct wait *self, struct timespec span) {
    (void)self;
    return nanosleep(&span, NULL) == 0 ? 0 : errno;
}

static int nanosleep_rest(struct wait *self, struct timespec span) {
    (void)self;
    struct timespec rest = {77, 78};
    if (nanosleep(&span, &rest) != 0)
        return errno;
    return rest.tv_sec == 77 && rest.tv_nsec == 78 && span.tv_nsec == SPAN ? 0 : 1001;
}

static int nanosleep_same(struct wait *self, struct timespec span) {
    (void)self;
    if (nanosleep(&span, &span) != 0)
        return errno;
    return span.tv_nsec == SPAN ? 0 : 1001;
}

static int relative(struct wait *self, struct timespec span) {
    return clock_nanosleep((clockid_t)(long)self->data, 0, &span, NULL);
}

static int absolute(struct wait *self, struct timespec span) {
    struct timespec until;
    (void)span;
    int64_t left = self->deadline - calls_now();
    clock_gettime((clockid_t)(long)self->data, &until);
    until = calls_time(until.tv_sec * 1000000000LL + until.tv_nsec + left);
    return clock_nanosleep((clockid_t)(long)self->data, TIMER_ABSTIME, &until, NULL);
}

static int by_usleep(struct wait *self, struct timespec span) {
    (void)self;
    return usleep(span.tv_nsec / 1000) == 0 ? 0 : errno;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    static struct wait all[] = {
        {.name = "nanosleep", .wait = nanosleep_plain}, {.name = "nanosleep, rest", .wait = nanosleep_rest},
        {.name = "nanosleep, same", .wait = nanosleep_same},
        {.name = "clock_nanosleep monotonic", .wait = relative, .data = (void *)CLOCK_MONOTONIC},
        {.name = "clock_nanosleep realtime", .wait = relative, .data = (void *)CLOCK_REALTIME},
        {.name = "clock_nanosleep boottime", .wait = relative, .data = (void *)CLOCK_BOOTTIME},
        {.name = "clock_nanosleep until", .wait = absolute, .absolute = 1, .data = (void *)CLOCK_MONOTONIC},
        {.name = "usleep", .wait = by_usleep},
    };
    calls_wait(all, sizeof all / sizeof *all);
    SPOIL(1, all[0].abnormal++);
    SPOIL(2, all[1].early = all[1].rounds);
    SPOIL(3, all[2].lates = 1, all[2].late[0] = 2 * SPAN);
    calls_judge(all, sizeof all / sizeof *all);
}
