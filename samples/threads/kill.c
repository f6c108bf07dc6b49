// Signals between threads: those that were sent with pthread_kill, raise and kill and wait, name this process as
// their sender; those that are sent afterwards reach the thread that they are meant for.
//#Flags: -pthread
#include "../lib/sample.h"
#include <pthread.h>

enum { THREADS = 4 };
static pthread_barrier_t set, go;
static volatile pid_t tids[THREADS];
static pid_t handled_by[THREADS];
static pthread_t threads[THREADS];

static pid_t own_id(void) { return (pid_t)syscall(SYS_gettid); }

static void on_usr1(int number, siginfo_t *info, void *context) {
    (void)number, (void)context;
    for (int i = 0; i < THREADS; i++)
        if (pthread_equal(threads[i], pthread_self()) && info->si_pid == getpid() && info->si_code == SI_TKILL)
            __atomic_store_n(&handled_by[i], own_id(), __ATOMIC_SEQ_CST);
}

static void expect_waiting(int number, int code) {
    uint64_t one = 1UL << (number - 1);
    siginfo_t info;
    struct timespec none = {0, 0};
    // As the kernel tells it: glibc's sigtimedwait makes one code of two.
    expect(syscall(SYS_rt_sigtimedwait, &one, &info, &none, 8) == number, "signal %d waits", number);
    SPOIL(1, info.si_pid++);
    expect(info.si_code == code && info.si_pid == getpid() && info.si_uid == getuid(),
           "signal %d: code %d, from %d, not %d", number, info.si_code, info.si_pid, getpid());
}

static void *run(void *argument) {
    long id = (long)argument;
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGHUP);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &mask, NULL);
    raise(SIGHUP);
    union sigval value = {.sival_int = 5};
#ifdef __GLIBC__
    pthread_sigqueue(pthread_self(), SIGALRM, value);
#endif
    pthread_barrier_wait(&set);
    pthread_barrier_wait(&go);
    expect_waiting(SIGHUP, SI_TKILL);
    expect_waiting(SIGTERM, SI_TKILL);
#ifdef __GLIBC__
    expect_waiting(SIGALRM, SI_QUEUE);
#endif
    tids[id] = own_id();
    while (handled_by[id] == 0)
        short_sleep();
    return NULL;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGRTMIN + 1);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    struct sigaction action = {.sa_sigaction = on_usr1, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    pthread_barrier_init(&set, NULL, THREADS + 1);
    pthread_barrier_init(&go, NULL, THREADS + 1);
    for (long i = 0; i < THREADS; i++)
        expect(pthread_create(&threads[i], NULL, run, (void *)i) == 0, "pthread_create");
    pthread_barrier_wait(&set);
    for (int i = 0; i < THREADS; i++)
        expect(pthread_kill(threads[i], SIGTERM) == 0, "pthread_kill");
    kill(getpid(), SIGINT);
    union sigval value = {.sival_int = 6};
    sigqueue(getpid(), SIGRTMIN + 1, value);
    ready();
    wait_for_go();

    pthread_barrier_wait(&go);
    expect_waiting(SIGINT, SI_USER);
    expect_waiting(SIGRTMIN + 1, SI_QUEUE);
    for (int i = 0; i < THREADS; i++) {
        while (tids[i] == 0)
            short_sleep();
        expect(pthread_kill(threads[i], SIGUSR1) == 0, "pthread_kill");
    }
    for (int i = 0; i < THREADS; i++) {
        expect(pthread_join(threads[i], NULL) == 0, "pthread_join");
        SPOIL(2, handled_by[i]++);
        expect(handled_by[i] == tids[i], "%d's signal was handled by %d", tids[i], handled_by[i]);
    }
    pass();
}
