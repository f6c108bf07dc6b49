// Threads that block all signals, or all but one, or wait for all of them: each can be stopped, and none is
// disturbed. Handlers that the program has installed for the C library's own signals are not called, and stay.
//#Flags: -pthread
#include "../lib/sample.h"
#include <pthread.h>

struct action {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};
enum { SPINS, SLEEPS, SUSPENDS, AWAITS_ALL, AWAITS_MOST, KINDS };
// One thread for each: what it does, and the signal that it leaves alone; none for what the library lets it block.
static const struct {
    int kind, open;
} plan[] = {
    {SPINS, 0},   {SLEEPS, 0},    {SUSPENDS, 0}, {AWAITS_ALL, 0}, {SPINS, 33},        {SLEEPS, 33},  {SPINS, 32},
    {SLEEPS, 34}, {SUSPENDS, 33}, {SLEEPS, 64},  {SLEEPS, 50},    {AWAITS_MOST, 33}, {SLEEPS, SIGUSR1}, {AWAITS_MOST, 64},
};
enum { THREADS = sizeof plan / sizeof plan[0] };
static const int own[] = {33, 34, 50, 64, SIGUSR1};
enum { OWN = sizeof own / sizeof own[0] };
static pthread_t threads[THREADS];
static volatile int set[THREADS], may_end, calls, ended_by_handler[THREADS];
static uint64_t masks[THREADS];

static void on_own(int number) { calls += number != 0; }
static void on_term(int number) {
    for (int i = 0; i < THREADS; i++)
        if (pthread_equal(threads[i], pthread_self()))
            ended_by_handler[i] += number == SIGTERM;
}
__attribute__((naked)) static void restorer(void) { __asm__("mov $15, %eax\n\tsyscall"); }

static uint64_t mask_now(void) {
    uint64_t mask = 0;
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, 8);
    return mask;
}

static void *run(void *argument) {
    long id = (long)argument;
    sigset_t all;
    sigfillset(&all);
    uint64_t most = ~0UL;
    if (plan[id].open) {
        most = ~(1UL << (plan[id].open - 1));
        syscall(SYS_rt_sigprocmask, SIG_SETMASK, &most, NULL, 8);
    } else {
        pthread_sigmask(SIG_SETMASK, &all, NULL);
    }
    masks[id] = mask_now();
    set[id] = 1;
    int got = SIGTERM;
    uint64_t but_term = most & ~(1UL << (SIGTERM - 1));
    switch (plan[id].kind) {
    case SPINS:
        while (!may_end)
            for (volatile int i = 0; i < 20000; i++)
                ;
        break;
    case SLEEPS:
        while (!may_end) {
            struct timespec pause = {0, 30000000};
            expect(nanosleep(&pause, NULL) == 0, "nanosleep");
        }
        break;
    case SUSPENDS:
        sigdelset(&all, SIGTERM);
        if (plan[id].open)
            expect(syscall(SYS_rt_sigsuspend, &but_term, 8) < 0 && errno == EINTR, "rt_sigsuspend");
        else
            expect(sigsuspend(&all) < 0 && errno == EINTR, "sigsuspend");
        expect(ended_by_handler[id] == 1, "sigsuspend was ended by something else");
        break;
    case AWAITS_ALL:
        expect(sigwait(&all, &got) == 0, "sigwait");
        break;
    default:
        got = (int)syscall(SYS_rt_sigtimedwait, &most, NULL, NULL, 8);
    }
    expect(got == SIGTERM, "signal %d came", got);
    expect(mask_now() == masks[id], "mask %lx, not %lx", mask_now(), masks[id]);
    return argument;
}

static struct action action(int number) {
    struct action now;
    expect(syscall(SYS_rt_sigaction, number, NULL, &now, 8) == 0, "rt_sigaction");
    return now;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    signal(SIGTERM, on_term);
    for (long i = 0; i < THREADS; i++) {
        expect(pthread_create(&threads[i], NULL, run, (void *)i) == 0, "pthread_create");
        while (!set[i])
            short_sleep();
    }
    for (int i = 0; i < OWN; i++) {
        struct action mine = {on_own, 0x14000000, restorer, 1UL << i};
        expect(syscall(SYS_rt_sigaction, own[i], &mine, NULL, 8) == 0, "rt_sigaction");
    }
    ready();
    wait_for_go();

    for (int i = 0; i < OWN; i++) {
        struct action now = action(own[i]);
        SPOIL(1, now.handler = on_term);
        SPOIL(2, now.mask++);
        expect(now.handler == on_own && now.restorer == restorer && now.flags == 0x14000000 && now.mask == 1UL << i,
               "the action of %d", own[i]);
    }
    SPOIL(3, raise(SIGUSR1));
    expect(calls == 0, "%d calls of a handler", calls);
    may_end = 1;
    for (int i = 0; i < THREADS; i++) {
        if (plan[i].kind >= SUSPENDS)
            expect(pthread_kill(threads[i], SIGTERM) == 0, "pthread_kill");
        expect(pthread_join(threads[i], NULL) == 0, "pthread_join");
    }
    pass();
}
