// Sixty-four threads at work with every kind of lock: mutexes (normal, recursive, error-checking, robust,
// priority-inheriting, and mixtures, private and shared between processes), condition variables, barriers,
// rwlocks, semaphores, thread-specific data with destructors. Held and contended at any moment; afterwards no
// wake-up is lost, every thread makes progress, each lock knows its owner, and all counts are right.
//#Flags: -pthread
//#Links: pie nopie static staticpie musl glibc2.31 glibc2.31static glibc2.41 glibc2.41static
//#Generations: 5
#include "../lib/sample.h"
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

enum { KINDS = 10, PER_KIND = 4, CONDITIONS = 8, BARRIER = 4, READERS = 4, WRITERS = 2, PAIRS = 3 };
enum { THREADS = KINDS * PER_KIND + CONDITIONS + BARRIER + READERS + WRITERS + 2 * PAIRS };
enum { FIRST_OF_BARRIER = KINDS * PER_KIND + CONDITIONS, FIRST_WRITER = FIRST_OF_BARRIER + BARRIER };
_Static_assert(THREADS == 64, "sixty-four threads");

// A mutex with what it protects: two counts that are equal outside, and who is inside.
struct guarded {
    pthread_mutex_t mutex;
    int type, robust, inherit, shared;
    volatile unsigned long first, second;
    volatile int inside;
};
// In memory that processes share: condition variable, semaphores and half of the mutexes.
static struct shared {
    struct guarded guarded[KINDS];
    pthread_mutex_t turn_lock;
    pthread_cond_t turned;
    volatile unsigned long turns;
    sem_t ping[PAIRS], pong[PAIRS];
} * shared;
static struct guarded own[KINDS];
static pthread_barrier_t barrier;
static volatile unsigned long phase[BARRIER];
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static volatile unsigned long left_half, right_half;
static pthread_key_t key;
static int destroyed;
static volatile int stop;
static volatile unsigned long done[THREADS];
static volatile unsigned long last_phase;
static __thread unsigned long mine;

static struct guarded *guarded_of(int kind) {
    return kind >= KINDS / 2 ? &shared->guarded[kind] : &own[kind];
}

static void make_guarded(int kind) {
    static const struct {
        int type, robust, inherit;
    } how[KINDS / 2] = {
        {PTHREAD_MUTEX_NORMAL, 0, 0},     {PTHREAD_MUTEX_RECURSIVE, 0, 0}, {PTHREAD_MUTEX_ERRORCHECK, 1, 0},
        {PTHREAD_MUTEX_RECURSIVE, 0, 1}, {PTHREAD_MUTEX_ERRORCHECK, 1, 1},
    };
    struct guarded *g = guarded_of(kind);
    g->type = how[kind % 5].type;
    g->robust = how[kind % 5].robust;
    g->inherit = how[kind % 5].inherit;
    g->shared = kind >= KINDS / 2;
    // Shared ones without robustness too, and error-checking ones without the rest.
    if (kind == 7)
        g->robust = 0;
    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a);
    expect(pthread_mutexattr_settype(&a, g->type) == 0, "type");
    expect(pthread_mutexattr_setrobust(&a, g->robust) == 0, "robust");
    expect(pthread_mutexattr_setprotocol(&a, g->inherit ? PTHREAD_PRIO_INHERIT : PTHREAD_PRIO_NONE) == 0, "PI");
    expect(pthread_mutexattr_setpshared(&a, g->shared) == 0, "shared");
    expect(pthread_mutex_init(&g->mutex, &a) == 0, "mutex %d", kind);
}

// Time for a checkpoint to fall into.
static void linger(unsigned long n) {
    if (n % 8 == 0)
        short_sleep();
    else
        sched_yield();
}

static void lock_and_count(int kind, int id) {
    struct guarded *g = guarded_of(kind);
    int error = pthread_mutex_lock(&g->mutex);
    expect(error == 0, "lock of kind %d: %d", kind, error);
    expect(g->inside == 0 && g->first == g->second, "kind %d: %d is inside", kind, g->inside);
    g->inside = id + 1;
    g->first++;
    linger(g->first);
    if (g->type == PTHREAD_MUTEX_RECURSIVE) {
        expect((error = pthread_mutex_lock(&g->mutex)) == 0, "kind %d, again: %d", kind, error);
        linger(g->first);
        expect((error = pthread_mutex_unlock(&g->mutex)) == 0, "kind %d, unlock: %d", kind, error);
    }
    if (g->type == PTHREAD_MUTEX_ERRORCHECK)
        expect((error = pthread_mutex_lock(&g->mutex)) == EDEADLK, "kind %d, twice: %d", kind, error);
    expect(g->inside == id + 1, "kind %d: %d is inside, too", kind, g->inside);
    g->second++;
    g->inside = 0;
    expect((error = pthread_mutex_unlock(&g->mutex)) == 0, "kind %d, unlock: %d", kind, error);
    if (g->type != PTHREAD_MUTEX_NORMAL && mine % 16 == 0)
        expect(pthread_mutex_unlock(&g->mutex) == EPERM, "kind %d: not the owner", kind);
}

static void take_turn(unsigned long id) {
    pthread_mutex_lock(&shared->turn_lock);
    while (shared->turns % CONDITIONS != id && !stop)
        pthread_cond_wait(&shared->turned, &shared->turn_lock);
    if (shared->turns % CONDITIONS == id) {
        shared->turns++;
        mine++;
    }
    pthread_cond_broadcast(&shared->turned);
    pthread_mutex_unlock(&shared->turn_lock);
}

static void meet(int id) {
    phase[id] = mine + 1;
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < BARRIER; i++)
        expect(phase[i] == mine + 1, "thread %d is in phase %lu, not %lu", i, phase[i], mine + 1);
    mine++;
    // Before the next phase all have looked.
    pthread_barrier_wait(&barrier);
}

static void write_halves(void) {
    expect(pthread_rwlock_wrlock(&rwlock) == 0, "wrlock");
    expect(left_half == right_half, "halves %lu and %lu", left_half, right_half);
    left_half++;
    expect(pthread_rwlock_tryrdlock(&rwlock) == EBUSY, "a writer is the only one");
    linger(left_half);
    right_half++;
    mine++;
    expect(pthread_rwlock_unlock(&rwlock) == 0, "unlock");
    sched_yield();
}

static void read_halves(void) {
    expect(pthread_rwlock_rdlock(&rwlock) == 0, "rdlock");
    unsigned long seen = left_half;
    linger(mine);
    expect(seen == left_half && seen == right_half, "halves %lu and %lu", left_half, right_half);
    mine++;
    expect(pthread_rwlock_unlock(&rwlock) == 0, "unlock");
    short_sleep();
}

static void on_exit_of_thread(void *value) {
    expect(*(unsigned long *)value == mine, "thread-specific data at a thread's end");
    free(value);
    __atomic_add_fetch(&destroyed, 1, __ATOMIC_SEQ_CST);
}

static void *run(void *argument) {
    int id = (int)(intptr_t)argument;
    unsigned long *copy = calloc(1, sizeof *copy);
    pthread_setspecific(key, copy);
    for (;;) {
        int n = id;
        if (n < KINDS * PER_KIND) {
            lock_and_count(n / PER_KIND, id);
            mine++;
            // Who has just unlocked would have the lock again and again: locks are not fair.
            sched_yield();
        } else if ((n -= KINDS * PER_KIND) < CONDITIONS) {
            take_turn((unsigned long)n);
        } else if ((n -= CONDITIONS) < BARRIER) {
            meet(n);
        } else if ((n -= BARRIER) < WRITERS) {
            write_halves();
        } else if ((n -= WRITERS) < READERS) {
            read_halves();
        } else {
            n -= READERS;
            sem_t *wait = n % 2 ? &shared->ping[n / 2] : &shared->pong[n / 2];
            sem_t *post = n % 2 ? &shared->pong[n / 2] : &shared->ping[n / 2];
            int error;
            while ((error = sem_wait(wait)) != 0 && errno == EINTR)
                ;
            expect(error == 0, "sem_wait");
            mine++;
            expect(sem_post(post) == 0, "sem_post");
        }
        *copy = mine;
        done[id] = mine;
        expect(*(unsigned long *)pthread_getspecific(key) == mine, "thread-specific data");
        if (id >= FIRST_OF_BARRIER && id < FIRST_OF_BARRIER + BARRIER) {
            // These stop in the same phase, which the first of them names one phase before.
            if (stop && last_phase == 0 && id == FIRST_OF_BARRIER)
                last_phase = mine + 2;
            if (last_phase != 0 && mine >= last_phase)
                return (void *)mine;
        } else if (stop) {
            return (void *)mine;
        }
    }
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    shared = map_anywhere((sizeof *shared + PAGE - 1) & ~(PAGE - 1), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS);
    for (int kind = 0; kind < KINDS; kind++)
        make_guarded(kind);
    pthread_mutexattr_t mutex_attr;
    pthread_condattr_t cond_attr;
    pthread_mutexattr_init(&mutex_attr);
    pthread_condattr_init(&cond_attr);
    pthread_mutexattr_setpshared(&mutex_attr, PTHREAD_PROCESS_SHARED);
    pthread_condattr_setpshared(&cond_attr, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&shared->turn_lock, &mutex_attr);
    pthread_cond_init(&shared->turned, &cond_attr);
    pthread_barrier_init(&barrier, NULL, BARRIER);
    for (int i = 0; i < PAIRS; i++) {
        sem_init(&shared->ping[i], 1, 0);
        sem_init(&shared->pong[i], 0, 1);
    }
    expect(pthread_key_create(&key, on_exit_of_thread) == 0, "key");

    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 << 10);
    pthread_t threads[THREADS];
    for (long i = 0; i < THREADS; i++)
        expect(pthread_create(&threads[i], &small, run, (void *)i) == 0, "thread %ld", i);
    ready();
    wait_for_go();

    // Every thread goes on: a lost wake-up, or a lock with a wrong owner, leaves one behind.
    unsigned long seen[THREADS];
    for (int i = 0; i < THREADS; i++)
        seen[i] = done[i];
    double begin = monotonic();
    for (int i = 0; i < THREADS; i++)
        while (done[i] == seen[i]) {
            expect(monotonic() < begin + 25, "thread %d stays at %lu", i, done[i]);
            short_sleep();
        }
    stop = 1;
    // Who waits for a partner that has left is let go.
    pthread_mutex_lock(&shared->turn_lock);
    pthread_cond_broadcast(&shared->turned);
    pthread_mutex_unlock(&shared->turn_lock);
    for (int i = 0; i < PAIRS; i++) {
        sem_post(&shared->ping[i]);
        sem_post(&shared->pong[i]);
    }
    unsigned long counted[THREADS], sum;
    for (int i = 0; i < THREADS; i++) {
        void *count;
        expect(pthread_join(threads[i], &count) == 0, "join %d", i);
        counted[i] = (unsigned long)count;
    }
    SPOIL(1, own[1].second++);
    SPOIL(2, shared->guarded[6].first++);
    SPOIL(3, shared->turns++);
    SPOIL(4, right_half++);
    SPOIL(5, destroyed--);
    for (int kind = 0; kind < KINDS; kind++) {
        struct guarded *g = guarded_of(kind);
        sum = 0;
        for (int i = 0; i < PER_KIND; i++)
            sum += counted[kind * PER_KIND + i];
        expect(sum == g->first && sum == g->second, "kind %d: %lu, counted %lu", kind, g->first, sum);
        expect(pthread_mutex_trylock(&g->mutex) == 0 && pthread_mutex_unlock(&g->mutex) == 0, "kind %d is free", kind);
    }
    sum = 0;
    for (int i = 0; i < CONDITIONS; i++)
        sum += counted[KINDS * PER_KIND + i];
    expect(sum == shared->turns, "%lu turns, counted %lu", shared->turns, sum);
    sum = counted[FIRST_WRITER] + counted[FIRST_WRITER + 1];
    expect(sum == left_half && sum == right_half, "halves %lu, counted %lu", left_half, sum);
    expect(destroyed == THREADS, "%d of %d destructors ran", destroyed, THREADS);
    pass();
}
