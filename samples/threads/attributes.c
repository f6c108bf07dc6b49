// What the kernel keeps for each thread is each thread's own afterwards: name, signal mask, alternate stack,
// nice value, timer slack, parent-death signal, a signal queued for it alone, segment base, clear-child-tid.
//#Flags: -pthread
//#Links: pie nopie static staticpie musl glibc2.31 glibc2.31static glibc2.41 glibc2.41static
#include "../lib/sample.h"
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>

enum { THREADS = 4 };
static pthread_barrier_t set, go;
static char stacks[THREADS][65536];
static __thread long local;
static pid_t tids[THREADS];

static void *run(void *argument) {
    long id = (long)argument;
    char name[16], now[16] = {0};
    local = 1000 + id;
    snprintf(name, sizeof name, "thread %ld", id);
    prctl(PR_SET_NAME, name);
    sigset_t mask, seen;
    sigemptyset(&mask);
    sigaddset(&mask, SIGRTMIN + 1);
    sigaddset(&mask, SIGRTMIN + 2 + (int)id);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    stack_t stack = {.ss_sp = stacks[id], .ss_size = sizeof stacks[id]}, there;
    sigaltstack(&stack, NULL);
    setpriority(PRIO_PROCESS, 0, 1 + (int)id);
    prctl(PR_SET_TIMERSLACK, 60000UL + (unsigned long)id);
    prctl(PR_SET_PDEATHSIG, SIGRTMIN + 2 + (int)id);
    siginfo_t info = {0};
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_value.sival_int = 77 + (int)id;
    tids[id] = (pid_t)syscall(SYS_gettid);
    expect(syscall(SYS_rt_tgsigqueueinfo, getpid(), tids[id], SIGRTMIN + 1, &info) == 0, "queue");
    pthread_barrier_wait(&set);
    pthread_barrier_wait(&go);

    SPOIL(1, prctl(PR_SET_NAME, "spoilt"));
    SPOIL(2, setpriority(PRIO_PROCESS, 0, 19));
    SPOIL(3, prctl(PR_SET_TIMERSLACK, 1UL));
    SPOIL(4, sigemptyset(&mask); pthread_sigmask(SIG_BLOCK, &mask, NULL); sigaddset(&mask, SIGHUP);
          pthread_sigmask(SIG_BLOCK, &mask, NULL));
    SPOIL(5, prctl(PR_SET_PDEATHSIG, SIGRTMIN + 1));
    int death = 0;
    prctl(PR_GET_PDEATHSIG, &death);
    expect(death == SIGRTMIN + 2 + (int)id, "parent-death signal %d", death);
    prctl(PR_GET_NAME, now);
    expect(strcmp(now, name) == 0, "name %s", now);
    pthread_sigmask(SIG_SETMASK, NULL, &seen);
    for (int n = 1; n < SIGRTMIN + 10; n++) {
        int wanted = n == SIGRTMIN + 1 || n == SIGRTMIN + 2 + (int)id;
        if (n < 32 || n >= SIGRTMIN)
            expect(sigismember(&seen, n) == wanted, "signal %d of thread %ld", n, id);
    }
    sigaltstack(NULL, &there);
    expect(there.ss_sp == stack.ss_sp && there.ss_size == stack.ss_size && there.ss_flags == 0, "altstack");
    expect(getpriority(PRIO_PROCESS, 0) == 1 + (int)id, "nice %d", getpriority(PRIO_PROCESS, 0));
    expect(prctl(PR_GET_TIMERSLACK) == 60000 + id, "timer slack");
    expect(local == 1000 + id, "thread-local variable");
    sigset_t one;
    struct timespec none = {0, 0};
    sigemptyset(&one);
    sigaddset(&one, SIGRTMIN + 1);
    expect(sigtimedwait(&one, &info, &none) == SIGRTMIN + 1, "the queued signal");
    expect(info.si_value.sival_int == 77 + (int)id, "its value: %d", info.si_value.sival_int);
    expect(sigtimedwait(&one, &info, &none) < 0 && errno == EAGAIN, "it was queued once");
    return NULL;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    pthread_barrier_init(&set, NULL, THREADS + 1);
    pthread_barrier_init(&go, NULL, THREADS + 1);
    pthread_t threads[THREADS];
    for (long i = 0; i < THREADS; i++)
        expect(pthread_create(&threads[i], NULL, run, (void *)i) == 0, "pthread_create");
    pthread_barrier_wait(&set);
    ready();
    wait_for_go();
    pthread_barrier_wait(&go);
    for (int i = 0; i < THREADS; i++)
        expect(pthread_join(threads[i], NULL) == 0, "pthread_join");
    pass();
}
