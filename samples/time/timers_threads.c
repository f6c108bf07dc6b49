// POSIX timers and threads: signals to one thread, some of them waiting in its queue, clocks of a thread's own time,
// and the C library's timers that run a function in a thread (SIGEV_THREAD), before and after: those that were there
// go on and can be asked, set and deleted, and new ones can be made.
//#Flags: -pthread -lrt
//#Links: pie nopie static staticpie musl glibc2.31 glibc2.31static glibc2.41 glibc2.41static
//#Ask: signal in musl
#include "timer.h"
#include <pthread.h>
#include <semaphore.h>

#define EVERY 20000000LL

static volatile int stop, burn;
static volatile int tid;
static volatile int got_single, got_ticks, got_wrong, got_used;
static int single, ticking, used;
static sem_t go, done;

// A thread with timers of its own.
static void *target(void *argument) {
    (void)argument;
    block_all();
    tid = (int)syscall(SYS_gettid);
    used = timer_of(CLOCK_THREAD_CPUTIME_ID, 4, SIGRTMIN + 7, 3, tid);
    expect(used >= 0, "timer of own time");
    set_timer(used, 0, SECOND / 4, 0);
    sem_post(&done);
    while (sem_wait(&go) != 0)
        ;
    siginfo_t info;
    // Waited when the checkpoint was taken, behind another.
    got_wrong |= !take_signal(SIGRTMIN + 5, &info) || info.si_code != SI_TKILL;
    got_single = take_signal(SIGRTMIN + 5, &info) && info.si_code == SI_TIMER && info.si_timerid == single;
    for (int i = 0; i < 5; i++) {
        await_pending(SIGRTMIN + 6);
        got_ticks += take_signal(SIGRTMIN + 6, &info) && info.si_timerid == ticking && info.si_value.sival_int == 9;
    }
    // Its clock stands still while it sleeps.
    long long left = timer_left(used, NULL);
    got_wrong |= left <= 0 || left > SECOND / 4;
    sigset_t pending;
    double limit = monotonic() + 30;
    do {
        for (volatile int i = 0; i < 1000000; i++)
            ;
        sigpending(&pending);
    } while (!sigismember(&pending, SIGRTMIN + 7) && monotonic() < limit);
    got_used = take_signal(SIGRTMIN + 7, &info) && info.si_timerid == used;
    sem_post(&done);
    return NULL;
}

static volatile int calls[3], values_wrong;
static void on_time(union sigval value) {
    int which = value.sival_int;
    if (which < 0 || which > 2)
        values_wrong = 1;
    else
        calls[which]++;
}

static timer_t library_timer(int which, long long first, long long interval) {
    struct sigevent event = {0};
    event.sigev_notify = SIGEV_THREAD;
    event.sigev_notify_function = on_time;
    event.sigev_value.sival_int = which;
    timer_t timer;
    expect(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0, "timer_create");
    struct itimerspec setting = {.it_value = {first / SECOND, first % SECOND},
                                 .it_interval = {interval / SECOND, interval % SECOND}};
    expect(timer_settime(timer, 0, &setting, NULL) == 0, "timer_settime");
    return timer;
}

static void await_calls(int which, int count) {
    double limit = monotonic() + 30;
    while (calls[which] < count) {
        expect(monotonic() < limit, "%d calls of %d", calls[which], which);
        short_sleep();
    }
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    sem_init(&go, 0, 0);
    sem_init(&done, 0, 0);
    pthread_t thread;
    pthread_create(&thread, NULL, target, NULL);
    sem_wait(&done);
    single = timer_of(CLOCK_MONOTONIC, 4, SIGRTMIN + 5, 2, tid);
    ticking = timer_of(CLOCK_BOOTTIME, 4, SIGRTMIN + 6, 9, tid);
    syscall(SYS_tgkill, getpid(), tid, SIGRTMIN + 5);
    set_timer(single, 0, 1, 0);
    while (timer_left(single, NULL) > 0)
        ;
    set_timer(ticking, 0, EVERY, EVERY);
    timer_t often = library_timer(0, EVERY, EVERY), late = library_timer(1, 1000 * SECOND, 0);
    await_calls(0, 3);
    // Each call is a thread in glibc, and each thread new memory, or not: none while the sample is looked at.
    struct itimerspec later = {.it_value = {500, 0}, .it_interval = {0, EVERY}}, soon = later;
    soon.it_value = (struct timespec){0, 1};
    expect(timer_settime(often, 0, &later, NULL) == 0, "timer_settime");

    ready();
    wait_for_go();
    struct itimerspec now, off = {0};
    SPOIL(1, set_timer(ticking, 0, 0, 0); stop = 1);
    SPOIL(2, set_timer(single, 0, SECOND, 0));
    SPOIL(3, timer_settime(late, 0, &off, NULL));
    SPOIL(4, set_timer(used, 0, SECOND, 0));
    if (stop)
        FAIL("it would wait for ever");

    expect(timer_gettime(often, &now) == 0, "timer_gettime");
    expect(now.it_interval.tv_nsec == EVERY && now.it_value.tv_sec >= 400, "the one that runs often");
    expect(timer_settime(often, 0, &soon, NULL) == 0, "timer_settime");
    await_calls(0, calls[0] + 3);
    expect(timer_gettime(late, &now) == 0, "timer_gettime");
    expect(now.it_value.tv_sec >= 900 && now.it_value.tv_sec <= 1000, "left %ld", (long)now.it_value.tv_sec);
    expect(timer_getoverrun(late) == 0, "timer_getoverrun");
    now = (struct itimerspec){.it_value = {0, 1}};
    expect(timer_settime(late, 0, &now, NULL) == 0, "timer_settime");
    await_calls(1, 1);
    timer_t fresh = library_timer(2, EVERY, EVERY);
    await_calls(2, 3);
    expect(timer_delete(often) == 0 && timer_delete(late) == 0 && timer_delete(fresh) == 0, "timer_delete");
    expect(!values_wrong && calls[1] == 1, "%d calls", calls[1]);

    sem_post(&go);
    sem_wait(&done);
    expect(!got_wrong && got_single, "the signals that waited: %d, %d", got_wrong, got_single);
    expect(got_ticks == 5, "%d ticks", got_ticks);
    expect(got_used, "the thread's own time");
    pthread_join(thread, NULL);
    pass();
}
