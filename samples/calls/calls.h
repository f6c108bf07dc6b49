// Threads that wait in system calls, round after round, while checkpoints and restores fall into their
// waits. Each call ends after SPAN, or when its twin wakes it after SPAN; whatever else it does is counted.
//
// The twin sleeps until the same moment by the clock, an absolute time that nothing can shorten or lengthen:
// so a loaded machine is late for both. What a restore takes (the last beat of the old process to the first
// of the new one) is no part of a relative time.
#ifndef CALLS_H
#define CALLS_H
#include "../lib/sample.h"
#include <pthread.h>
#include <semaphore.h>

static const long SPAN = 300000000; // ns

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
    int64_t late[4096], late_restored[256];
    int lates, lates_restored;
};

static volatile int calls_stop;
static volatile int64_t calls_gap;
static volatile int calls_pid;
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

static void *calls_beat(void *none) {
    int64_t last = calls_now();
    while (!calls_stop) {
        int64_t now = calls_now();
        int pid = (int)syscall(SYS_getpid);
        if (pid != calls_pid) {
            calls_gap += now - last;
            __sync_synchronize();
            calls_pid = pid;
        }
        last = now;
        struct timespec pause = {0, 300000};
        syscall(SYS_nanosleep, &pause, NULL);
    }
    return none;
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
        int64_t gap = calls_gap, start = calls_now();
        w->deadline = start + SPAN;
        w->ended = 0;
        sem_post(&w->begin);
        int result = w->wait(w, calls_time(SPAN));
        int64_t end = calls_now();
        w->ended = 1;
        while (sem_wait(&w->end) != 0)
            ;
        while ((int)syscall(SYS_getpid) != calls_pid && !calls_stop)
            short_sleep();
        gap = calls_gap - gap;
        if (result != 0 && w->abnormal++ == 0)
            w->first_abnormal = result;
        w->early += end < (w->wake ? w->woken : w->deadline);
        if (gap == 0 || w->wake || w->absolute) {
            if (w->lates < 4096)
                w->late[w->lates++] = end - w->woken;
        } else {
            // The first beat may be as late as the machine is busy: that is told, not judged.
            if (w->lates_restored < 256)
                w->late_restored[w->lates_restored++] = end - (w->deadline + gap);
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
    pthread_t beat;
    calls_pid = (int)syscall(SYS_getpid);
    expect(pthread_create(&beat, NULL, calls_beat, NULL) == 0, "pthread_create");
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
    pthread_join(beat, NULL);
    if (calls_clean)
        calls_clean();
}

// Judges, and notes what was measured.
static void calls_judge(struct wait *all, int count) {
    FILE *figures = fopen("figures", "w");
    expect(figures != NULL, "figures");
    for (int i = 0; i < count; i++) {
        struct wait *w = &all[i];
        long most, most_restored;
        long late = calls_median(w->late, w->lates, &most);
        long restored = calls_median(w->late_restored, w->lates_restored, &most_restored);
        fprintf(figures, "call %s: rounds %ld abnormal %ld (%d) early %ld late %ld us, most %ld us; over %d restores %ld us, "
                "most %ld us\n",
                w->name, w->rounds, w->abnormal, w->first_abnormal, w->early, late, most, w->lates_restored, restored,
                most_restored);
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
