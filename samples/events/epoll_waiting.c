// Threads in epoll_wait, without an end and with one that is far away: nothing ends their wait but an event,
// and each event wakes one of them.
//#Flags: -pthread
//#Variants: forever long pwait
//#Links: pie musl
#include "epoll.h"
#include <pthread.h>

enum { THREADS = 3 };
static int epoll, begun, done, stop;
static const char *kind;

static int wait_for_one(struct epoll_event *event) {
    if (strcmp(kind, "pwait") == 0) {
        sigset_t set;
        sigfillset(&set);
        return epoll_pwait(epoll, event, 1, 100000, &set);
    }
    return epoll_wait(epoll, event, 1, strcmp(kind, "long") == 0 ? 100000 : -1);
}

static void *run(void *argument) {
    (void)argument;
    uintptr_t seen = 0;
    while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
        struct epoll_event event;
        __atomic_add_fetch(&begun, 1, __ATOMIC_SEQ_CST);
        int count = wait_for_one(&event);
        expect(count == 1 && event.data.u64 == 77, "epoll_wait gives %d", count);
        seen++;
        __atomic_add_fetch(&done, 1, __ATOMIC_SEQ_CST);
    }
    return (void *)seen;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    kind = argc > 2 ? argv[2] : "forever";
    epoll = epoll_create1(0);
    int counter = eventfd(0, 0);
    watch(epoll, EPOLL_CTL_ADD, counter, EPOLLIN | EPOLLET, 77);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        expect(pthread_create(&threads[i], NULL, run, NULL) == 0, "pthread_create");
    while (__atomic_load_n(&begun, __ATOMIC_SEQ_CST) < THREADS)
        short_sleep();

    ready();
    wait_for_go();
    SPOIL(1, watch(epoll, EPOLL_CTL_MOD, counter, EPOLLIN | EPOLLET, 78));
    expect(__atomic_load_n(&done, __ATOMIC_SEQ_CST) == 0, "a wait has ended by itself");
    int events = 0;
    for (int i = 1; i <= 10; i++) {
        add(counter, 1);
        events++;
        while (__atomic_load_n(&done, __ATOMIC_SEQ_CST) < events)
            short_sleep();
    }
    __atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
    uintptr_t total = 0;
    for (int i = 0; i < THREADS; i++) {
        // One that went to wait again before it was told to stop.
        while (__atomic_load_n(&done, __ATOMIC_SEQ_CST) < __atomic_load_n(&begun, __ATOMIC_SEQ_CST)) {
            add(counter, 1);
            short_sleep();
        }
    }
    for (int i = 0; i < THREADS; i++) {
        void *seen;
        expect(pthread_join(threads[i], &seen) == 0, "pthread_join");
        total += (uintptr_t)seen;
    }
    expect(total == (uintptr_t)done && done >= events, "%d events", (int)total);
    pass();
}
