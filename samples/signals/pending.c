// Blocked signals that are pending stay pending, with their values, senders' codes and order: those sent
// to the process and those sent to the thread, standard and real-time ones, a timer's SIGALRM.
//#Ask: command
#include "../lib/sample.h"
#include <sys/time.h>

static int thread_pending(int number, int value) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_signo = number;
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_int = value;
    return (int)syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), number, &info);
}

static siginfo_t next(int number) {
    uint64_t only = 1UL << (number - 1);
    siginfo_t info;
    memset(&info, 0, sizeof info);
    struct timespec none = {0, 0};
    // Raw, because glibc's sigtimedwait turns SI_TKILL into SI_USER.
    long got = syscall(SYS_rt_sigtimedwait, &only, &info, &none, 8);
    expect(got == number, "signal %d is not pending", number);
    return info;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);

    int rt = SIGRTMIN + 3;
    for (int i = 0; i < 20; i++) {
        union sigval value = {.sival_ptr = (void *)(0x123400000000UL + (uintptr_t)i)};
        expect(sigqueue(getpid(), rt, value) == 0, "sigqueue");
    }
    for (int i = 0; i < 5; i++)
        expect(thread_pending(rt + 1, 700 + i) == 0, "tgsigqueueinfo");
    expect(thread_pending(rt, 900) == 0, "tgsigqueueinfo");
    expect(thread_pending(SIGHUP, 42) == 0, "tgsigqueueinfo");
    union sigval value = {.sival_int = 77};
    expect(sigqueue(getpid(), SIGHUP, value) == 0, "sigqueue");
    kill(getpid(), SIGTERM);
    syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGINT);
    struct itimerval soon = {.it_value = {0, 1}};
    setitimer(ITIMER_REAL, &soon, NULL);
    sigset_t pending;
    do {
        sigpending(&pending);
    } while (!sigismember(&pending, SIGALRM));

    ready();
    wait_for_go();
    SPOIL(1, next(rt));
    SPOIL(2, next(SIGTERM); sigqueue(getpid(), SIGTERM, value));
    SPOIL(3, next(SIGALRM));
    SPOIL(4, kill(getpid(), SIGQUIT));
    SPOIL(5, next(rt + 1); thread_pending(rt + 1, 700));

    // The thread's own queue is served before the process's.
    siginfo_t info = next(rt);
    expect(info.si_code == SI_QUEUE && info.si_value.sival_int == 900, "thread-directed %d", rt);
    for (int i = 0; i < 20; i++) {
        info = next(rt);
        expect(info.si_value.sival_ptr == (void *)(0x123400000000UL + (uintptr_t)i), "value %d is %p", i,
               info.si_value.sival_ptr);
        expect(info.si_code == SI_QUEUE && info.si_uid == getuid(), "code %d", info.si_code);
    }
    for (int i = 0; i < 5; i++) {
        info = next(rt + 1);
        expect(info.si_value.sival_int == 700 + i, "value %d is %d", i, info.si_value.sival_int);
    }
    info = next(SIGHUP);
    expect(info.si_value.sival_int == 42, "thread's SIGHUP has %d", info.si_value.sival_int);
    info = next(SIGHUP);
    expect(info.si_value.sival_int == 77, "process's SIGHUP has %d", info.si_value.sival_int);
    info = next(SIGTERM);
    expect(info.si_code == SI_USER, "SIGTERM code %d", info.si_code);
    info = next(SIGINT);
    expect(info.si_code == SI_TKILL, "SIGINT code %d", info.si_code);
    info = next(SIGALRM);
    expect(info.si_code == SI_KERNEL, "SIGALRM code %d", info.si_code);
    sigpending(&pending);
    for (int n = 1; n < 65; n++)
        if (n != 32 && n != 33)
            expect(!sigismember(&pending, n), "signal %d is pending now", n);
    pass();
}
