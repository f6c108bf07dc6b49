// Sixteen threads with all signals blocked pass a turn round through a mutex and a condition variable, and
// count in thread-local variables: no wake-up is lost, no count is wrong, every thread can be joined.
//#Flags: -pthread
//#Links: pie nopie static staticpie musl glibc2.31 glibc2.31static glibc2.41 glibc2.41static
//#Generations: 5
#include "../lib/sample.h"
#include <pthread.h>

enum { THREADS = 16 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;
static int turn, stop;
static unsigned long total;
static __thread unsigned long mine;

static void *run(void *argument) {
    long id = (long)argument;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    for (;;) {
        pthread_mutex_lock(&lock);
        while (turn != id && !stop)
            pthread_cond_wait(&moved, &lock);
        if (stop) {
            pthread_mutex_unlock(&lock);
            return (void *)mine;
        }
        turn = (turn + 1) % THREADS;
        total++;
        mine++;
        pthread_cond_broadcast(&moved);
        pthread_mutex_unlock(&lock);
    }
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    pthread_t threads[THREADS];
    for (long i = 0; i < THREADS; i++)
        expect(pthread_create(&threads[i], NULL, run, (void *)i) == 0, "pthread_create");
    ready();
    wait_for_go();
    pthread_mutex_lock(&lock);
    unsigned long seen = total;
    pthread_mutex_unlock(&lock);
    // All threads must take turns for the count to rise by two rounds.
    for (;;) {
        pthread_mutex_lock(&lock);
        int done = total >= seen + 2 * THREADS;
        pthread_mutex_unlock(&lock);
        if (done)
            break;
        short_sleep();
    }
    SPOIL(1, total++);
    pthread_mutex_lock(&lock);
    stop = 1;
    pthread_cond_broadcast(&moved);
    pthread_mutex_unlock(&lock);
    unsigned long sum = 0;
    for (int i = 0; i < THREADS; i++) {
        void *count;
        expect(pthread_join(threads[i], &count) == 0, "pthread_join");
        sum += (unsigned long)count;
    }
    expect(sum == total, "%lu turns were taken, %lu counted", sum, total);
    // New threads can be made, and have names and ids that the C library knows.
    pthread_t one;
    stop = 1;
    expect(pthread_create(&one, NULL, run, (void *)0) == 0, "a new thread");
    expect(pthread_join(one, NULL) == 0, "a new thread's end");
    expect(pthread_kill(pthread_self(), 0) == 0, "pthread_kill of oneself");
    pass();
}
