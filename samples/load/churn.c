// Threads come and go, more than a thousand a second: made, joined, given up, each with a word of its own to pass on.
// None is lost, none comes twice, at whatever moment of its life a checkpoint falls.
//#Flags: -pthread
#include "../lib/sample.h"
#include <pthread.h>

enum { MAKERS = 4, SOME = 200 };
static volatile int stop;
static unsigned long made, begun, ended, given_up;
static __thread unsigned long mine;

static unsigned long count(unsigned long *counter) { return __atomic_load_n(counter, __ATOMIC_SEQ_CST); }
static void add(unsigned long *counter) { __atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST); }

static void *live(void *argument) {
    add(&begun);
    expect(mine == 0, "a new thread's variable is new");
    mine = (unsigned long)argument;
    if (mine % 3 == 0)
        short_sleep();
    add(&ended);
    return (void *)(mine + 1);
}

static void *make(void *argument) {
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 << 10);
    for (unsigned long n = (unsigned long)argument; !stop; n += MAKERS) {
        pthread_t thread;
        void *result;
        expect(pthread_create(&thread, &small, live, (void *)n) == 0, "pthread_create");
        add(&made);
        if (n % 5 == 0) {
            expect(pthread_detach(thread) == 0, "pthread_detach");
            add(&given_up);
        } else {
            expect(pthread_join(thread, &result) == 0, "pthread_join");
            expect(result == (void *)(n + 1), "result %p of %lu", result, n);
        }
    }
    return argument;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    pthread_t makers[MAKERS];
    for (long i = 0; i < MAKERS; i++)
        expect(pthread_create(&makers[i], NULL, make, (void *)i) == 0, "pthread_create");
    while (count(&made) < SOME)
        short_sleep();
    ready();
    wait_for_go();

    unsigned long seen = count(&made);
    while (count(&made) < seen + SOME)
        short_sleep();
    stop = 1;
    for (int i = 0; i < MAKERS; i++)
        expect(pthread_join(makers[i], NULL) == 0, "pthread_join");
    SPOIL(1, made++);
    while (count(&ended) != count(&made) && !spoil_asked(1))
        short_sleep();
    expect(begun == made && ended == made && given_up > 0, "%lu made, %lu begun, %lu ended", made, begun, ended);
    pass();
}
