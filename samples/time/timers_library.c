// The C library's timers that run a function in a thread, when none is left that the kernel knows of at the
// checkpoint: glibc keeps the thread that waits for them, and its id. A new one works.
//#Flags: -pthread
//#Ask: signal in musl
#include "../lib/sample.h"
#include <pthread.h>

static volatile int calls;
static void on_time(union sigval value) { calls += value.sival_int; }

static void once(int value) {
    struct sigevent event = {0};
    event.sigev_notify = SIGEV_THREAD;
    event.sigev_notify_function = on_time;
    event.sigev_value.sival_int = value;
    timer_t timer;
    int made = timer_create(CLOCK_REALTIME, &event, &timer);
    expect(made == 0, "timer_create");
    struct itimerspec soon = {.it_value = {0, 1000000}};
    expect(timer_settime(timer, 0, &soon, NULL) == 0, "timer_settime");
    int until = calls + value;
    double limit = monotonic() + 30;
    while (calls < until && monotonic() < limit)
        short_sleep();
    expect(calls == until, "%d calls", calls);
    expect(timer_delete(timer) == 0, "timer_delete");
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    once(1);
    once(2);
    ready();
    wait_for_go();
    SPOIL(1, calls--);
    expect(calls == 3, "%d calls", calls);
    once(4);
    once(8);
    expect(calls == 15, "%d calls", calls);
    pass();
}
