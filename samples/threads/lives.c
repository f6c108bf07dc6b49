// What the C library does with threads by their ids and ends: joined before and after their end, by one that waits
// for it, given up (detached), renamed, scheduled, asked for their processor time, made to change the user all
// together; thread-specific data and what is to be done at a thread's end.
//#Flags: -pthread
#include "../lib/sample.h"
#include <pthread.h>
#include <sched.h>

enum { RUNNING = 4 };
static pthread_barrier_t set;
static volatile int may_end, detached_ended;
static pthread_key_t key;
static int destroyed[RUNNING], again[RUNNING];
static pthread_t running[RUNNING], ended, joiner, detached;
static __thread char local[64];

// Runs a second time if it sets the value once more: PTHREAD_DESTRUCTOR_ITERATIONS.
static void destroy(void *value) {
    long id = (long)value - 1;
    if (again[id]++ == 0)
        pthread_setspecific(key, value);
    else
        destroyed[id]++;
}

static void *run(void *argument) {
    long id = (long)argument;
    pthread_setspecific(key, (void *)(id + 1));
    snprintf(local, sizeof local, "thread %ld", id);
    pthread_barrier_wait(&set);
    while (!may_end)
        short_sleep();
    char wanted[64];
    snprintf(wanted, sizeof wanted, "thread %ld", id);
    expect(strcmp(local, wanted) == 0, "%s", local);
    expect(pthread_getspecific(key) == (void *)(id + 1), "thread-specific data");
    pthread_exit((void *)(100 + id));
}

static void *end_at_once(void *argument) { return argument; }

static void *join(void *argument) {
    void *result;
    expect(pthread_join(running[0], &result) == 0, "pthread_join within a thread");
    return result == (void *)100 ? argument : NULL;
}

static void *end_alone(void *argument) {
    pthread_barrier_wait(&set);
    while (!may_end)
        short_sleep();
    detached_ended = 1;
    return argument;
}

static void use_by_id(pthread_t thread, int n) {
    char name[16], now[16] = {0};
    snprintf(name, sizeof name, "called %d", n);
    expect(pthread_setname_np(thread, name) == 0, "pthread_setname_np");
    expect(pthread_getname_np(thread, now, sizeof now) == 0 && strcmp(now, name) == 0, "name %s", now);
    struct sched_param param;
    int policy;
    expect(pthread_getschedparam(thread, &policy, &param) == 0 && policy == SCHED_OTHER, "policy");
    param.sched_priority = 0;
    expect(pthread_setschedparam(thread, SCHED_BATCH, &param) == 0, "pthread_setschedparam");
    expect(pthread_getschedparam(thread, &policy, &param) == 0 && policy == SCHED_BATCH, "policy %d", policy);
    clockid_t clock;
    struct timespec spent;
    expect(pthread_getcpuclockid(thread, &clock) == 0, "pthread_getcpuclockid");
    expect(clock_gettime(clock, &spent) == 0, "the thread's clock");
    cpu_set_t set;
    expect(pthread_getaffinity_np(thread, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0, "affinity");
    expect(pthread_kill(thread, 0) == 0, "pthread_kill");
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    pthread_barrier_init(&set, NULL, RUNNING + 2);
    pthread_key_create(&key, destroy);
    for (long i = 0; i < RUNNING; i++)
        pthread_create(&running[i], NULL, run, (void *)i);
    pthread_create(&detached, NULL, end_alone, NULL);
    pthread_create(&ended, NULL, end_at_once, (void *)77);
    pthread_create(&joiner, NULL, join, (void *)88);
    pthread_barrier_wait(&set);
    ready();
    wait_for_go();

    for (int i = 0; i < RUNNING; i++)
        use_by_id(running[i], i);
    use_by_id(pthread_self(), RUNNING);
    // Every thread has a part in these.
    expect(setgid(getgid()) == 0 && setuid(getuid()) == 0, "setgid, setuid");
    expect(setresgid(-1, getegid(), -1) == 0 && setreuid(-1, geteuid()) == 0, "setresgid, setreuid");
    expect(pthread_detach(detached) == 0, "pthread_detach");
    may_end = 1;
    void *result = NULL;
    expect(pthread_join(ended, &result) == 0 && result == (void *)77, "one that had ended");
    expect(pthread_join(joiner, &result) == 0 && result == (void *)88, "one that waited for another");
    for (long i = 1; i < RUNNING; i++) {
        expect(pthread_join(running[i], &result) == 0, "pthread_join");
        SPOIL(1, result = NULL);
        expect(result == (void *)(100 + i), "result %p", result);
        SPOIL(2, destroyed[i]++);
        expect(destroyed[i] == 1 && again[i] == 2, "destructor: %d, %d", destroyed[i], again[i]);
    }
    while (!detached_ended)
        short_sleep();
    pass();
}
