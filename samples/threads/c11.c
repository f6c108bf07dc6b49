// C11 threads: thrd_*, mtx_* (plain, timed, recursive, held and contended), cnd_*, tss_* with destructors,
// call_once, _Thread_local.
//#Flags: -pthread
#include "../lib/sample.h"
#include <threads.h>

enum { WORKERS = 4, ROUNDS = 50 };
static mtx_t plain, timed, recursive;
static cnd_t moved;
static tss_t key;
static once_flag once = ONCE_FLAG_INIT;
static int turn, stop, calls, destroyed, counts[WORKERS];
static volatile int holds, may_end;
static _Thread_local int mine;

static void call(void) { calls++; }
static void destroy(void *value) { __atomic_add_fetch(&destroyed, *(int *)value, __ATOMIC_SEQ_CST); }

static int work(void *argument) {
    int id = *(int *)argument;
    expect(tss_set(key, argument) == thrd_success, "tss_set");
    call_once(&once, call);
    mtx_lock(&plain);
    for (;;) {
        while (turn % WORKERS != id && !stop)
            cnd_wait(&moved, &plain);
        if (stop)
            break;
        turn++;
        mine++;
        counts[id]++;
        cnd_broadcast(&moved);
        mtx_unlock(&plain);
        thrd_yield();
        mtx_lock(&plain);
    }
    mtx_unlock(&plain);
    expect(tss_get(key) == argument, "tss_get");
    return mine;
}

static int hold(void *argument) {
    (void)argument;
    mtx_lock(&recursive);
    mtx_lock(&recursive);
    mtx_lock(&timed);
    holds = 1;
    while (!may_end)
        thrd_sleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    expect(mtx_trylock(&recursive) == thrd_success, "its owner may lock it once more");
    for (int i = 0; i < 3; i++)
        expect(mtx_unlock(&recursive) == thrd_success, "mtx_unlock");
    mtx_unlock(&timed);
    thrd_exit(55);
}

static int wait_for_timed(void *argument) {
    struct timespec long_hence;
    timespec_get(&long_hence, TIME_UTC);
    long_hence.tv_sec += 1000;
    expect(mtx_timedlock(&timed, &long_hence) == thrd_success, "mtx_timedlock");
    mtx_unlock(&timed);
    (void)argument;
    return 66;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    int ids[WORKERS], result;
    thrd_t workers[WORKERS], holder, waiter;
    mtx_init(&plain, mtx_plain);
    mtx_init(&timed, mtx_timed);
    mtx_init(&recursive, mtx_plain | mtx_recursive);
    cnd_init(&moved);
    tss_create(&key, destroy);
    for (int i = 0; i < WORKERS; i++) {
        ids[i] = i;
        expect(thrd_create(&workers[i], work, &ids[i]) == thrd_success, "thrd_create");
    }
    thrd_create(&holder, hold, NULL);
    while (!holds)
        thrd_yield();
    thrd_create(&waiter, wait_for_timed, NULL);
    ready();
    wait_for_go();

    expect(mtx_trylock(&recursive) == thrd_busy && mtx_trylock(&timed) == thrd_busy, "held by another");
    mtx_lock(&plain);
    int seen = turn;
    while (turn < seen + ROUNDS)
        cnd_wait(&moved, &plain);
    stop = 1;
    cnd_broadcast(&moved);
    mtx_unlock(&plain);
    for (int i = 0; i < WORKERS; i++) {
        expect(thrd_join(workers[i], &result) == thrd_success, "thrd_join");
        SPOIL(1, result++);
        expect(result == counts[i] && result > 0, "%d turns, not %d", counts[i], result);
    }
    SPOIL(2, destroyed++);
    expect(destroyed == 0 + 1 + 2 + 3, "destructors: %d", destroyed);
    may_end = 1;
    expect(thrd_join(holder, &result) == thrd_success && result == 55, "the holder");
    expect(thrd_join(waiter, &result) == thrd_success && result == 66, "who waited");
    call_once(&once, call);
    expect(calls == 1, "call_once: %d", calls);
    expect(mtx_trylock(&recursive) == thrd_success, "free in the end");
    pass();
}
