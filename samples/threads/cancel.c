// pthread_cancel, asked for before the checkpoint and not acted upon yet, and asked for afterwards: deferred, held
// off, blocked, in each kind of wait. Every thread ends as cancelled, and its cleanup runs once.
//#Flags: -pthread
//#Variants: deferred disabled blocked later
#include "../lib/sample.h"
#include <pthread.h>

enum { THREADS = 5 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static volatile int at_work[THREADS], may_end;
static int cleaned[THREADS], ends[2];
// Both libraries' signals of cancellation: 32 and 33.
static const uint64_t internal = 3UL << 31;

static void clean(void *argument) { __atomic_add_fetch(&cleaned[(long)argument], 1, __ATOMIC_SEQ_CST); }
static void unlock(void *mutex) { pthread_mutex_unlock(mutex); }

static void spin_until_cancelled(void) {
    for (volatile unsigned long i = 0;; i++)
        ;
}

// Cancelled before: nothing acts on it until may_end says so.
static void *hold_off(void *argument) {
    const char *how = argument;
    int old;
    if (strcmp(how, "disabled") == 0)
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
    if (strcmp(how, "blocked") == 0) {
        expect(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &internal, NULL, 8) == 0, "block");
        pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
    }
    pthread_cleanup_push(clean, (void *)0);
    at_work[0] = 1;
    while (!may_end)
        for (volatile int i = 0; i < 100000; i++)
            ;
    if (strcmp(how, "disabled") == 0)
        pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old);
    if (strcmp(how, "blocked") == 0) {
        syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &internal, NULL, 8);
        spin_until_cancelled();
    }
    for (;;)
        pthread_testcancel();
    pthread_cleanup_pop(0);
    return NULL;
}

static void *wait_somewhere(void *argument) {
    long id = (long)argument;
    int old;
    pthread_cleanup_push(clean, argument);
    at_work[id] = 1;
    switch (id) {
    case 0:
        for (;;)
            sleep(1000);
    case 1: {
        char byte;
        expect(read(ends[0], &byte, 1) < 0, "nobody writes");
        break;
    }
    case 2:
        pthread_mutex_lock(&lock);
        pthread_cleanup_push(unlock, &lock);
        for (;;)
            pthread_cond_wait(&never, &lock);
        pthread_cleanup_pop(0);
        break;
    case 3:
        pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
        spin_until_cancelled();
        break;
    default:
        for (;;)
            pause();
    }
    pthread_cleanup_pop(0);
    return NULL;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    int later = strcmp(argv[2], "later") == 0, count = later ? THREADS : 1;
    pthread_t threads[THREADS];
    expect(pipe2(ends, O_CLOEXEC) == 0, "pipe");
    for (long i = 0; i < count; i++) {
        void *(*run)(void *) = later ? wait_somewhere : hold_off;
        pthread_create(&threads[i], NULL, run, later ? (void *)i : (void *)argv[2]);
        while (!at_work[i])
            short_sleep();
    }
    if (!later)
        expect(pthread_cancel(threads[0]) == 0, "pthread_cancel");
    ready();
    wait_for_go();

    expect(cleaned[0] == 0, "too early");
    if (later)
        for (int i = 0; i < count; i++)
            expect(pthread_cancel(threads[i]) == 0, "pthread_cancel");
    may_end = 1;
    for (int i = 0; i < count; i++) {
        void *result = NULL;
        expect(pthread_join(threads[i], &result) == 0, "pthread_join");
        SPOIL(1, result = NULL);
        expect(result == PTHREAD_CANCELED, "thread %d was not cancelled", i);
        SPOIL(2, cleaned[i]++);
        expect(cleaned[i] == 1, "thread %d was cleaned up %d times", i, cleaned[i]);
    }
    expect(pthread_mutex_trylock(&lock) == 0, "who was cancelled gave the lock back");
    pass();
}
