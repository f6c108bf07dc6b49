// Waits for a futex: relative and absolute, alone and of many, for a lock with priority inheritance; and what
// the C library builds of them: semaphores, condition variables, mutexes with a time.
//#Flags: -pthread
//#Links: pie musl
#include "calls.h"
enum { FUTEX_WAKE_PRIVATE = 129, FUTEX_WAIT_PRIVATE = 128, FUTEX_WAIT_BITSET_PRIVATE = 137 };
#define FUTEX_BITSET_MATCH_ANY 0xffffffff

static int ended(long result) { return result == -1 && errno == ETIMEDOUT ? 0 : result == -1 ? errno : 1000; }

static struct timespec until(struct wait *self, clockid_t clock) {
    // In this order: a wait between the two makes it late, not early.
    int64_t left = self->deadline - calls_now();
    struct timespec now;
    clock_gettime(clock, &now);
    return calls_time(now.tv_sec * 1000000000LL + now.tv_nsec + left);
}

// musl makes a relative time of the absolute one that it is given.
#ifdef __GLIBC__
enum { LIBRARY_ABSOLUTE = 1 };
#else
enum { LIBRARY_ABSOLUTE = 0 };
#endif

static int wait_relative(struct wait *self, struct timespec span) {
    (void)self;
    int word = 1;
    return ended(syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 1, &span, NULL, 0));
}

static int wait_absolute(struct wait *self, struct timespec span) {
    int word = 1;
    span = until(self, CLOCK_MONOTONIC);
    return ended(syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, 1, &span, NULL, FUTEX_BITSET_MATCH_ANY));
}

static int word_event;
static int wait_event(struct wait *self, struct timespec span) {
    (void)self;
    span.tv_sec += 3600;
    return syscall(SYS_futex, &word_event, FUTEX_WAIT_PRIVATE, 0, &span, NULL, 0) == 0 ? 0 : errno;
}
static void wake_event(struct wait *self) {
    (void)self;
    // It may not be asleep yet, if this machine is busy.
    while (syscall(SYS_futex, &word_event, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) == 0)
        short_sleep();
}

static int wait_many(struct wait *self, struct timespec span) {
    (void)span;
    int word = 1;
    struct {
        uint64_t value, address;
        uint32_t flags, reserved;
    } waiters[2] = {{1, (uintptr_t)&word, 2 /* 32 bits */, 0}, {1, (uintptr_t)&word, 2, 0}};
    struct timespec time = until(self, CLOCK_MONOTONIC);
    long result = syscall(449 /* futex_waitv */, waiters, 2, 0, &time, CLOCK_MONOTONIC);
    if (result == -1 && errno == ENOSYS)
        return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
    return ended(result);
}

static pthread_mutex_t held, inheriting;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static sem_t nothing;

static int mutex_time(struct wait *self, struct timespec span) {
    span = until(self, CLOCK_REALTIME);
    int result = pthread_mutex_timedlock(self->data, &span);
    return result == ETIMEDOUT ? 0 : result ? result : 1000;
}

static int sem_time(struct wait *self, struct timespec span) {
    span = until(self, CLOCK_REALTIME);
    return ended(sem_timedwait(&nothing, &span));
}

static int cond_time(struct wait *self, struct timespec span) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    span = until(self, CLOCK_REALTIME);
    pthread_mutex_lock(&lock);
    int result;
    do // It may wake for nothing by its definition.
        result = pthread_cond_timedwait(&never, &lock, &span);
    while (result == 0);
    pthread_mutex_unlock(&lock);
    return result == ETIMEDOUT ? 0 : result;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
    expect(pthread_mutex_init(&inheriting, &attributes) == 0, "pthread_mutex_init");
    pthread_mutex_init(&held, NULL);
    pthread_mutex_lock(&held);
    pthread_mutex_lock(&inheriting);
    sem_init(&nothing, 0, 0);
    static struct wait all[] = {
        {.name = "futex", .wait = wait_relative}, {.name = "futex until", .wait = wait_absolute, .absolute = 1},
        {.name = "futex, event", .wait = wait_event, .wake = wake_event},
        {.name = "futex_waitv", .wait = wait_many, .absolute = 1},
        {.name = "mutex", .wait = mutex_time, .absolute = LIBRARY_ABSOLUTE, .data = &held},
        {.name = "mutex with inheritance", .wait = mutex_time, .absolute = 1, .data = &inheriting},
        {.name = "semaphore", .wait = sem_time, .absolute = LIBRARY_ABSOLUTE},
        {.name = "condition", .wait = cond_time, .absolute = LIBRARY_ABSOLUTE},
    };
    calls_wait(all, sizeof all / sizeof *all);
    SPOIL(1, all[0].abnormal++);
    calls_judge(all, sizeof all / sizeof *all);
}
