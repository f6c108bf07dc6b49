// A timer with a descriptor, in each state that it can be in: running, with and without an interval, relative and
// absolute, on each clock; fired and unread, fired and read, never set; shared, and with a thread that waits for it.
//#Variants: relative interval absolute past unread unread_interval unread_absolute read disarmed never shared blocked poll cancel clocks
//#Links: pie musl
//#Flags: -pthread
#include "../lib/sample.h"
#include <poll.h>
#include <pthread.h>
#include <sys/timerfd.h>

static int fd;
static const char *kind;

static int is(const char *name) { return strcmp(kind, name) == 0; }

static int make(int clock, int flags) {
    int made = timerfd_create(clock, flags);
    expect(made >= 0, "timerfd_create of clock %d", clock);
    return made;
}

static void set(int timer, int flags, double value, double interval) {
    struct itimerspec new = {
        .it_value = {(time_t)value, (long)((value - (double)(time_t)value) * 1e9)},
        .it_interval = {(time_t)interval, (long)((interval - (double)(time_t)interval) * 1e9)},
    };
    expect(timerfd_settime(timer, flags, &new, NULL) == 0, "timerfd_settime");
}

static double left(int timer, double interval) {
    struct itimerspec now;
    expect(timerfd_gettime(timer, &now) == 0, "timerfd_gettime");
    double every = (double)now.it_interval.tv_sec + (double)now.it_interval.tv_nsec / 1e9;
    expect(every > interval - 1e-6 && every < interval + 1e-6, "interval %f instead of %f", every, interval);
    return (double)now.it_value.tv_sec + (double)now.it_value.tv_nsec / 1e9;
}

static double now_of(int clock) {
    struct timespec now;
    syscall(SYS_clock_gettime, clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int fires(int timer) {
    struct pollfd look = {.fd = timer, .events = POLLIN};
    return poll(&look, 1, 0) == 1;
}

// Ticks that a read finds; zero for none.
static uint64_t ticks(int timer) {
    uint64_t count = 0;
    if (!fires(timer))
        return 0;
    expect(read(timer, &count, sizeof count) == sizeof count, "read");
    return count;
}

// "settime flags" of fdinfo: how the timer was set.
static unsigned set_with(int timer) {
    char name[64], line[128];
    unsigned flags = 99;
    snprintf(name, sizeof name, "/proc/self/fdinfo/%d", timer);
    FILE *info = fopen(name, "r");
    expect(info != NULL, "fdinfo");
    while (fgets(line, sizeof line, info))
        sscanf(line, "settime flags: %o", &flags);
    fclose(info);
    return flags;
}

static volatile uint64_t woken;
static void *wait_for_it(void *unused) {
    (void)unused;
    uint64_t count = 0;
    if (is("poll")) {
        struct pollfd look = {.fd = fd, .events = POLLIN};
        if (poll(&look, 1, -1) != 1)
            return NULL;
    }
    if (read(fd, &count, sizeof count) == sizeof count)
        woken = count;
    return NULL;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    kind = argc > 2 ? argv[2] : "relative";
    static const int clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME};
    int others[3], copy = -1;
    pthread_t thread;
    fd = make(CLOCK_MONOTONIC, TFD_NONBLOCK);
    double deadline = now_of(CLOCK_REALTIME) + 5000, soon = 0, start = 0;
    if (is("relative") || is("shared"))
        set(fd, 0, 1000, 0);
    if (is("interval"))
        set(fd, 0, 1000, 3000.25);
    if (is("absolute") || is("cancel") || is("past")) {
        // Nothing sooner: a later run of the sample in a second generation has the same deadline.
        close(fd);
        fd = make(CLOCK_REALTIME, TFD_NONBLOCK);
        set(fd, is("cancel") ? TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET : TFD_TIMER_ABSTIME, is("past") ? 5 : deadline,
            is("past") ? 0 : 7000);
    }
    if (is("unread") || is("read")) {
        set(fd, 0, 0.001, 0);
        while (!fires(fd))
            short_sleep();
        if (is("read"))
            expect(ticks(fd) == 1, "fired once");
    }
    if (is("unread_interval")) {
        // Sixty ticks at least; then one in a long while, so that they can be counted.
        set(fd, 0, 0.001, 0.001);
        struct timespec pause = {0, 60000000};
        nanosleep(&pause, NULL);
        start = now_of(CLOCK_MONOTONIC);
    }
    if (is("unread_absolute")) {
        // Fired twice since the machine was started, and a third time after half as long again.
        soon = now_of(CLOCK_MONOTONIC);
        set(fd, TFD_TIMER_ABSTIME, 0.5, soon * 0.75 + 1);
        while (!fires(fd))
            short_sleep();
    }
    if (is("disarmed")) {
        set(fd, 0, 1000, 5);
        set(fd, 0, 0, 5);
    }
    if (is("shared")) {
        copy = fcntl(fd, F_DUPFD_CLOEXEC, 40);
        expect(copy == 40, "dup");
    }
    if (is("blocked") || is("poll")) {
        if (is("blocked"))
            fcntl(fd, F_SETFL, 0);
        expect(pthread_create(&thread, NULL, wait_for_it, NULL) == 0, "thread");
        struct timespec pause = {0, 20000000};
        nanosleep(&pause, NULL);
    }
    if (is("clocks"))
        for (int n = 0; n < 3; n++) {
            others[n] = make(clocks[n], 0);
            set(others[n], 0, 100 + 10 * n, 1000 + 10 * n);
        }
    struct timespec pause = {0, 50000000};
    nanosleep(&pause, NULL);

    ready();
    wait_for_go();
    SPOIL(1, set(fd, 0, 400, 0); woken = 5; if (is("blocked") || is("poll")) exit(1); if (is("clocks")) set(others[1], 0, 40, 1010));

    expect(fcntl(fd, F_GETFL) == (O_RDWR | (is("blocked") ? 0 : O_NONBLOCK)), "flags %o", fcntl(fd, F_GETFL));
    if (is("relative") || is("shared")) {
        double rest = left(fd, 0);
        expect(rest > 900 && rest < 999.96, "%f left", rest);
        expect(ticks(fd) == 0 && set_with(fd) == 0, "ticks or flags");
    }
    if (is("interval")) {
        double rest = left(fd, 3000.25);
        expect(rest > 900 && rest < 999.96, "%f left", rest);
    }
    if (is("absolute") || is("cancel")) {
        double rest = left(fd, 7000), wanted = deadline - now_of(CLOCK_REALTIME);
        expect(rest > wanted - 0.005 && rest < wanted + 0.005, "%f left instead of %f", rest, wanted);
        expect(set_with(fd) == (is("cancel") ? 3 : 1), "flags %o", set_with(fd));
    }
    if (is("unread") || is("past")) {
        expect(ticks(fd) == 1 && left(fd, 0) == 0, "one tick, and no more to come");
        expect(ticks(fd) == 0, "it fired again");
    }
    if (is("unread_interval")) {
        uint64_t count = ticks(fd);
        double ran = now_of(CLOCK_MONOTONIC) - start;
        expect(count >= 60, "%lu ticks", (unsigned long)count);
        expect((double)count < 62 + 50 + ran * 1000 + 50, "%lu ticks in %f s", (unsigned long)count, ran);
        expect(left(fd, 0.001) > 0, "stopped");
        struct pollfd look = {.fd = fd, .events = POLLIN};
        expect(poll(&look, 1, 5000) == 1 && ticks(fd) >= 1, "no more ticks");
    }
    if (is("unread_absolute")) {
        uint64_t count = ticks(fd);
        expect(count == 2 || (count > 2 && soon < 60), "%lu ticks", (unsigned long)count);
        expect(set_with(fd) == 1, "flags %o", set_with(fd));
    }
    if (is("read"))
        expect(ticks(fd) == 0 && left(fd, 0) == 0, "it fires again");
    if (is("disarmed"))
        expect(ticks(fd) == 0 && left(fd, 5) == 0, "it runs");
    if (is("never"))
        expect(ticks(fd) == 0 && left(fd, 0) == 0 && set_with(fd) == 0, "it runs");
    if (is("shared")) {
        expect(syscall(SYS_kcmp, getpid(), getpid(), 0, fd, copy) == 0, "two timers");
        expect(fcntl(copy, F_GETFD) == FD_CLOEXEC && fcntl(fd, F_GETFD) == 0, "close-on-exec");
    }
    if (is("blocked") || is("poll")) {
        expect(woken == 0, "woken early");
        set(fd, 0, 0.005, 0);
        expect(pthread_join(thread, NULL) == 0 && woken == 1, "the thread found %lu ticks", (unsigned long)woken);
    }
    if (is("clocks"))
        for (int n = 0; n < 3; n++) {
            double rest = left(others[n], 1000 + 10 * n);
            expect(rest > 60 + 10 * n && rest < 99.96 + 10 * n, "%f left of clock %d", rest, clocks[n]);
            char name[64], line[128];
            int clock = -1;
            snprintf(name, sizeof name, "/proc/self/fdinfo/%d", others[n]);
            FILE *info = fopen(name, "r");
            expect(info != NULL, "fdinfo");
            while (fgets(line, sizeof line, info))
                sscanf(line, "clockid: %d", &clock);
            fclose(info);
            expect(clock == clocks[n], "clock %d instead of %d", clock, clocks[n]);
        }
    // And it still does what it is there for.
    set(fd, 0, 0.001, 0);
    struct pollfd look = {.fd = fd, .events = POLLIN};
    expect(poll(&look, 1, 5000) == 1 && ticks(fd) == 1, "it does not fire");
    pass();
}
