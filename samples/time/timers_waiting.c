// POSIX timers whose signal waits when the checkpoint is taken, among others of the same number: each comes once, in
// its place, with its timer's number and value, and with all that the timer has missed by the time it is taken. After
// that the timer goes on; and a timer that is deleted or set anew takes its waiting signal with it.
//#Ask: command
#include "timer.h"

#define EVERY 20000000LL

static int number;
static siginfo_t info;

static void next_is(int code, int value, const char *what) {
    expect(take_signal(number, &info), "%s does not wait", what);
    expect(info.si_code == code && info.si_value.sival_int == value, "%s: code %d, value %d", what, info.si_code,
           info.si_value.sival_int);
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    block_all();
    number = SIGRTMIN + 2;
    int once = timer_of(CLOCK_MONOTONIC, SIGEV_SIGNAL, number, 1, 0);
    int often = timer_of(CLOCK_BOOTTIME, SIGEV_SIGNAL, number, 2, 0);
    int dated = timer_of(CLOCK_REALTIME, SIGEV_SIGNAL, number, 3, 0);
    int own = timer_of(CLOCK_MONOTONIC, 4, number + 1, 4, (int)syscall(SYS_gettid));
    int deleted = timer_of(CLOCK_MONOTONIC, SIGEV_SIGNAL, number + 2, 5, 0);
    int renewed = timer_of(CLOCK_MONOTONIC, SIGEV_SIGNAL, number + 3, 6, 0);
    int standard = timer_of(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGALRM, 7, 0);
    int used = timer_of(CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, number + 4, 8, 0);
    union sigval mark = {.sival_int = 100};
    sigqueue(getpid(), number, mark);
    set_timer(once, 0, 1, 0);
    while (timer_left(once, NULL) > 0)
        ;
    mark.sival_int = 101;
    sigqueue(getpid(), number, mark);
    set_timer(often, 0, EVERY, EVERY);
    // Pending: it is shown as if it had begun anew, so more than one interval is waited.
    double begun = monotonic();
    while (monotonic() < begun + 5.5 * EVERY / 1e9)
        short_sleep();
    // Due at a whole second: set to a date, whatever passes till it is restored.
    long long second = clock_now(CLOCK_REALTIME) / SECOND * SECOND;
    set_timer(dated, TIMER_ABSTIME, second - 3 * SECOND, SECOND);
    while (timer_left(dated, NULL) == 1)
        ;
    mark.sival_int = 102;
    sigqueue(getpid(), number, mark);
    for (int i = 0; i < 5; i++)
        set_timer((int[]){own, deleted, renewed, standard, used}[i], TIMER_ABSTIME, 1, i == 0 ? EVERY : 0);
    for (int i = 1; i < 5; i++)
        await_pending(i < 4 ? number + i : SIGALRM);

    ready();
    wait_for_go();
    SPOIL(1, take_signal(number, &info); sigqueue(getpid(), number, info.si_value));
    SPOIL(2, set_timer(once, 0, SECOND, 0));
    SPOIL(3, set_timer(often, 0, EVERY, EVERY); await_pending(number));
    SPOIL(4, delete_timer(own));
    SPOIL(5, delete_timer(dated));
    SPOIL(6, take_signal(SIGALRM, &info); raise(SIGALRM));
    SPOIL(7, sigqueue(getpid(), number + 2, mark));

    expect(delete_timer(deleted) == 0, "delete");
    expect(!take_signal(number + 2, &info), "the signal of a deleted timer waits");
    set_timer(renewed, 0, 1000 * SECOND, 0);
    expect(!take_signal(number + 3, &info), "the signal of a timer that was set anew waits");

    next_is(SI_QUEUE, 100, "first");
    next_is(SI_TIMER, 1, "single");
    expect(info.si_timerid == once && info.si_overrun == 0 && timer_left(once, NULL) == 0, "single");
    next_is(SI_QUEUE, 101, "second");
    next_is(SI_TIMER, 2, "repeated");
    int missed = info.si_overrun;
    long long interval, left = timer_left(often, &interval);
    expect(missed >= 4 && missed == timer_overrun(often), "overruns %d", missed);
    expect(interval == EVERY && left > 0 && left <= EVERY, "goes on in %lld", left);
    next_is(SI_TIMER, 3, "dated");
    // All seconds count, and it will be due at the next one.
    long long now = clock_now(CLOCK_REALTIME), due = now + timer_left(dated, NULL);
    expect(info.si_overrun >= (now - second) / SECOND + 2 && info.si_overrun <= (now - second) / SECOND + 3,
           "overruns %d", info.si_overrun);
    expect((due + SECOND / 20) % SECOND <= SECOND / 10, "due at %lld", due);
    set_timer(dated, 0, 0, 0);
    next_is(SI_QUEUE, 102, "third");
    // What comes now is new: more time has passed than when the signal was taken.
    await_pending(number);
    expect(take_signal(number, &info) && info.si_value.sival_int == 2, "the timer does not go on");
    set_timer(often, 0, 0, 0);
    expect(!take_signal(number, &info), "one more: code %d, value %d", info.si_code, info.si_value.sival_int);

    expect(take_signal(number + 1, &info) && info.si_timerid == own && info.si_overrun > 0, "the thread's own");
    set_timer(own, 0, 0, 0);
    expect(!take_signal(number + 1, &info), "one more of the thread's own");
    expect(take_signal(SIGALRM, &info) && info.si_code == SI_TIMER && info.si_timerid == standard, "SIGALRM");
    expect(take_signal(number + 4, &info) && info.si_timerid == used, "of time used");
    pass();
}
