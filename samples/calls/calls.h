// Threads that wait in system calls, round after round, while checkpoints and restores fall into their
// waits. Each call ends after SPAN, or when its twin wakes it after SPAN; whatever else it does is counted.
//
// The twin sleeps until the same moment by the clock, an absolute time that nothing can shorten or lengthen:
// so a loaded machine is late for both. What a restore takes is no part of a relative time: for calls with one the
// harness reads in the image what was left at the checkpoint. So that it knows what should have been, the thread's
// name tells when the call is to end; and the sample notes when calls over which a restore came did.
#ifndef CALLS_H
#define CALLS_H
#include "../lib/sample.h"
#include <pthread.h>
#include <semaphore.h>
#include <sys/prctl.h>

static const long SPAN = 300000000; // ns
// How much too early a call may end, for which nothing but the scheduler's clock tells how long it had waited: ns.
static const long RIGHT = 5000000;

// A call over which restores came, in ns of CLOCK_MONOTONIC: when it was to end without them, when the thread was
// made anew the last time, when the call ended.
struct over {
    int64_t deadline, made, end;
};

struct wait {
    const char *name;
    // Waits; 0 if all is as it should be, else an errno or what else says what is not.
    int (*wait)(struct wait *self, struct timespec span);
    // Ends the wait; if there is none, time does.
    void (*wake)(struct wait *self);
    int fd[2];
    int absolute;
    void *data;
    // The rest is the frame's.
    pthread_t thread, twin;
    sem_t begin, end;
    int64_t deadline, woken;
    volatile int ended;
    volatile long rounds;
    long abnormal, early;
    int first_abnormal;
    int64_t late[4096];
    struct over over[256];
    int lates, overs;
};

static volatile int calls_stop;
// How often a twin had to wake again, since it was too early.
static volatile long calls_again;
// What is to be removed in the end.
static void (*calls_clean)(void);

static inline int64_t calls_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static inline struct timespec calls_time(int64_t ns) {
    return (struct timespec){ns / 1000000000, ns % 1000000000};
}

// When this thread was made: the 22nd field of `stat`, whole ticks of CLOCK_BOOTTIME.
static inline int64_t calls_made(void) {
    char path[64], text[1024] = {0};
    snprintf(path, sizeof path, "/proc/self/task/%ld/stat", syscall(SYS_gettid));
    int fd = open(path, O_RDONLY);
    expect(fd >= 0 && read(fd, text, sizeof text - 1) > 0, "%s", path);
    close(fd);
    char *field = strrchr(text, ')');
    for (int i = 2; field != NULL && i < 22; i++)
        field = strchr(field + 1, ' ');
    expect(field != NULL, "%s: %s", path, text);
    struct timespec boot;
    clock_gettime(CLOCK_BOOTTIME, &boot);
    int64_t asleep = boot.tv_sec * 1000000000LL + boot.tv_nsec - calls_now();
    return strtoll(field, NULL, 10) * (1000000000 / sysconf(_SC_CLK_TCK)) - asleep;
}

// Names the calling thread after the moment at which its call is to end; zero for none.
static inline void calls_name(int64_t deadline) {
    char name[16] = "";
    if (deadline != 0)
        snprintf(name, sizeof name, "=%llx", (long long)deadline);
    prctl(PR_SET_NAME, name);
}

static void *calls_twin(void *argument) {
    struct wait *w = argument;
    for (;;) {
        while (sem_wait(&w->begin) != 0)
            ;
        if (w->deadline == 0)
            return NULL;
        struct timespec until = calls_time(w->deadline);
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        w->woken = calls_now();
        if (w->wake)
            w->wake(w);
        sem_post(&w->end);
    }
}

static void *calls_run(void *argument) {
    struct wait *w = argument;
    while (!calls_stop) {
        int timed = !w->wake && !w->absolute;
        long pid = syscall(SYS_getpid);
        w->deadline = calls_now() + SPAN;
        w->ended = 0;
        sem_post(&w->begin);
        calls_name(timed ? w->deadline : 0);
        int result = w->wait(w, calls_time(SPAN));
        int64_t end = calls_now();
        calls_name(0);
        w->ended = 1;
        while (sem_wait(&w->end) != 0)
            ;
        if (result != 0 && w->abnormal++ == 0)
            w->first_abnormal = result;
        w->early += end < (w->wake ? w->woken : w->deadline - (w->absolute ? 0 : RIGHT));
        if (!timed || pid == syscall(SYS_getpid)) {
            if (w->lates < 4096)
                w->late[w->lates++] = end - w->woken;
        } else if (w->overs < 256) {
            // Unless the restore came right after the call.
            int64_t made = calls_made();
            if (made < end)
                w->over[w->overs++] = (struct over){w->deadline, made, end};
        }
        w->rounds++;
    }
    w->deadline = 0;
    sem_post(&w->begin);
    return NULL;
}

static int calls_compare(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

// The middle one, in microseconds, and the largest.
static inline long calls_median(int64_t *values, int count, long *most) {
    *most = 0;
    if (count == 0)
        return 0;
    qsort(values, count, sizeof *values, calls_compare);
    *most = (long)(values[count - 1] / 1000);
    return (long)(values[count / 2] / 1000);
}

// Waits until the harness has done what it wants.
static void calls_wait(struct wait *all, int count) {
    for (int i = 0; i < count; i++) {
        struct wait *w = &all[i];
        sem_init(&w->begin, 0, 0);
        sem_init(&w->end, 0, 0);
        expect(pthread_create(&w->twin, NULL, calls_twin, w) == 0, "pthread_create");
        expect(pthread_create(&w->thread, NULL, calls_run, w) == 0, "pthread_create");
    }
    ready();
    wait_for_go();
    // Every call ends by itself.
    for (int i = 0; i < count; i++) {
        long rounds = all[i].rounds;
        double start = monotonic();
        while (all[i].rounds < rounds + 2) {
            expect(monotonic() - start < 60, "%s does not end", all[i].name);
            short_sleep();
        }
    }
    calls_stop = 1;
    for (int i = 0; i < count; i++) {
        pthread_join(all[i].thread, NULL);
        pthread_join(all[i].twin, NULL);
    }
    if (calls_clean)
        calls_clean();
}

// Judges, and notes what was measured.
static void calls_judge(struct wait *all, int count) {
    FILE *figures = fopen("figures", "w");
    expect(figures != NULL, "figures");
    for (int i = 0; i < count; i++) {
        struct wait *w = &all[i];
        long most, late = calls_median(w->late, w->lates, &most);
        fprintf(figures, "call %s: rounds %ld abnormal %ld (%d) early %ld late %ld us, most %ld us\n", w->name, w->rounds,
                w->abnormal, w->first_abnormal, w->early, late, most);
        for (int j = 0; j < w->overs; j++)
            fprintf(figures, "over %s: %lld %lld %lld\n", w->name, (long long)w->over[j].deadline,
                    (long long)w->over[j].made, (long long)w->over[j].end);
    }
    fclose(figures);
    for (int i = 0; i < count; i++) {
        struct wait *w = &all[i];
        long most, late = calls_median(w->late, w->lates, &most);
        expect(w->abnormal == 0, "%s: %ld of %ld: %d", w->name, w->abnormal, w->rounds, w->first_abnormal);
        expect(w->early == 0, "%s: %ld of %ld are early", w->name, w->early, w->rounds);
        expect(late < SPAN / 2000, "%s: %ld us late", w->name, late);
    }
    expect(calls_again <= 1, "woken again %ld times", calls_again);
    pass();
}

#endif
