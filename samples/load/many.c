// Ten thousand threads, or as many as the second argument says, that wait for one word: each has a variable of its
// own and is joined in the end.
//#Flags: -pthread
#include "../lib/sample.h"
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int may_end;
static long waiting;
static __thread long mine;

static void *live(void *argument) {
    mine = (long)argument;
    pthread_mutex_lock(&lock);
    waiting++;
    while (!may_end)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    return (void *)(mine + 1);
}

static long count_waiting(void) {
    pthread_mutex_lock(&lock);
    long count = waiting;
    pthread_mutex_unlock(&lock);
    return count;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    long count = argc > 2 ? atol(argv[2]) : 10000;
    pthread_t *threads = calloc((size_t)count, sizeof *threads);
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 << 10);
    for (long i = 0; i < count; i++) {
        int error = pthread_create(&threads[i], &small, live, (void *)i);
        if (error == EAGAIN) {
            // Fewer than the host allows there are only if nothing else is possible.
            printf("this host allows %ld threads\n", i);
            count = i;
        } else {
            expect(error == 0, "pthread_create: %d", error);
        }
    }
    while (count_waiting() < count)
        short_sleep();
    ready();
    wait_for_go();
    pthread_mutex_lock(&lock);
    may_end = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    SPOIL(1, count--);
    long sum = 0;
    for (long i = 0; i < count; i++) {
        void *result;
        expect(pthread_join(threads[i], &result) == 0, "pthread_join");
        expect(result == (void *)(i + 1), "thread %ld gave %p", i, result);
        sum++;
    }
    expect(sum == waiting, "%ld threads of %ld", sum, waiting);
    pass();
}
