// One thread changes the group of all threads over and over (setgid): the C library stops each of the others by a
// signal of its own for that, at the same time as a checkpoint does. All go on, none hangs.
//#Flags: -pthread
#include "../lib/sample.h"
#include <pthread.h>

enum { THREADS = 6, ROUNDS = 20 };
static volatile int stop;
static unsigned long changes, rounds[THREADS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static unsigned long count(unsigned long *counter) { return __atomic_load_n(counter, __ATOMIC_SEQ_CST); }

static void *change(void *argument) {
    while (!stop) {
        expect(setgid(getgid()) == 0, "setgid");
        __atomic_add_fetch(&changes, 1, __ATOMIC_SEQ_CST);
        struct timespec pause = {0, 200000};
        nanosleep(&pause, NULL);
    }
    return argument;
}

static void *work(void *argument) {
    long id = (long)argument;
    sigset_t all;
    sigfillset(&all);
    if (id % 2)
        pthread_sigmask(SIG_BLOCK, &all, NULL);
    while (!stop) {
        struct timespec pause = {0, 1000000};
        if (id < 2)
            nanosleep(&pause, NULL);
        else if (id < 4)
            for (volatile int i = 0; i < 20000; i++)
                ;
        else {
            pthread_mutex_lock(&lock);
            for (volatile int i = 0; i < 200; i++)
                ;
            pthread_mutex_unlock(&lock);
            nanosleep(&pause, NULL);
        }
        __atomic_add_fetch(&rounds[id], 1, __ATOMIC_SEQ_CST);
    }
    return argument;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    pthread_t threads[THREADS], changer;
    for (long i = 0; i < THREADS; i++)
        expect(pthread_create(&threads[i], NULL, work, (void *)i) == 0, "pthread_create");
    expect(pthread_create(&changer, NULL, change, NULL) == 0, "pthread_create");
    while (count(&changes) < ROUNDS)
        short_sleep();
    ready();
    wait_for_go();

    unsigned long seen = count(&changes), seen_rounds[THREADS];
    for (int i = 0; i < THREADS; i++)
        seen_rounds[i] = count(&rounds[i]);
    while (count(&changes) < seen + ROUNDS)
        short_sleep();
    for (int i = 0; i < THREADS; i++)
        while (count(&rounds[i]) < seen_rounds[i] + ROUNDS)
            short_sleep();
    stop = 1;
    void *result = NULL;
    for (long i = 0; i < THREADS; i++) {
        expect(pthread_join(threads[i], &result) == 0, "pthread_join");
        SPOIL(1, result = threads);
        expect(result == (void *)i, "thread %ld", i);
    }
    expect(pthread_join(changer, NULL) == 0, "pthread_join");
    pass();
}
