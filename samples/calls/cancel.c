// Threads that are cancelled in calls that a checkpoint has interrupted: they end, and what they have to clean up
// is cleaned up.
//#Flags: -pthread
//#Links: pie static musl
#include "../lib/sample.h"
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/epoll.h>

enum { KINDS = 7 };
static sem_t nothing;
static int ends[2], epoll;
static volatile int waiting, cleaned;

static void clean(void *argument) {
    __sync_fetch_and_or(&cleaned, 1 << (long)argument);
}

static void *run(void *argument) {
    struct timespec hour = {3600, 0}, until;
    struct epoll_event event;
    char c;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 3600;
    pthread_cleanup_push(clean, argument);
    __sync_fetch_and_add(&waiting, 1);
    switch ((long)argument) {
    case 0:
        poll(NULL, 0, 3600000);
        break;
    case 1:
        nanosleep(&hour, NULL);
        break;
    case 2:
        sem_timedwait(&nothing, &until);
        break;
    case 3:
        epoll_wait(epoll, &event, 1, 3600000);
        break;
    case 4:
        poll(NULL, 0, -1);
        break;
    case 5:
        pause();
        break;
    default:
        expect(read(ends[0], &c, 1) != 1, "read");
    }
    pthread_cleanup_pop(0);
    return NULL;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    sem_init(&nothing, 0, 0);
    expect(pipe(ends) == 0, "pipe");
    expect((epoll = epoll_create1(0)) >= 0, "epoll_create1");
    pthread_t threads[KINDS];
    for (long i = 0; i < KINDS; i++)
        expect(pthread_create(&threads[i], NULL, run, (void *)i) == 0, "pthread_create");
    while (waiting < KINDS)
        short_sleep();
    // They are in their calls soon, and it makes no difference if they are not.
    for (int i = 0; i < 20; i++)
        short_sleep();
    ready();
    wait_for_go();
    for (int i = 0; i < KINDS; i++)
        expect(pthread_cancel(threads[i]) == 0, "pthread_cancel");
    for (int i = 0; i < KINDS; i++) {
        void *result;
        expect(pthread_join(threads[i], &result) == 0, "pthread_join");
        expect(result == PTHREAD_CANCELED, "thread %d was not cancelled", i);
    }
    SPOIL(1, cleaned = 1);
    expect(cleaned == (1 << KINDS) - 1, "cleaned %x", cleaned);
    pass();
}
