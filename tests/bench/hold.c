// hold CONTROL MIB THREADS: keeps that much random memory and that many threads, and watches the clock.
// hold read FILE: the floor of a restore: an exec, and one read of as many bytes into fresh memory.
//
// CONTROL is a file of one page that this program and the benchmark share; its words are below. The longest
// time between two looks at the clock is the pause that a checkpoint means for the program.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NOTHING 0
#define ROUND 1 // interrupt every other thread once, and tell how long that took
#define END 2   // look whether the memory is right, and end

struct control {
    _Atomic uint64_t ready;
    _Atomic uint64_t gap;
    _Atomic uint64_t command;
    _Atomic uint64_t round;
};

static _Atomic unsigned arrived;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void arrive(int number) {
    (void)number;
    atomic_fetch_add(&arrived, 1);
}

static void *wait_for_ever(void *unused) {
    for (;;)
        pause();
    return unused;
}

static uint64_t random_word(uint64_t n) {
    n = (n + 1) * 0x9e3779b97f4a7c15;
    n = (n ^ n >> 30) * 0xbf58476d1ce4e5b9;
    n = (n ^ n >> 27) * 0x94d049bb133111eb;
    return n ^ n >> 31;
}

static uint64_t interrupt_all(const pthread_t *threads, unsigned count) {
    uint64_t begin = now();
    atomic_store(&arrived, 0);
    for (unsigned i = 0; i < count; i++)
        pthread_kill(threads[i], SIGRTMIN + 5);
    while (atomic_load(&arrived) < count)
        sched_yield();
    return now() - begin;
}

static int read_all(const char *path) {
    int file = open(path, O_RDONLY);
    struct stat stat;
    if (file < 0 || fstat(file, &stat) != 0)
        die(path);
    size_t size = (size_t)stat.st_size, done = 0;
    char *to = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    while (done < size) {
        ssize_t got = read(file, to + done, size - done);
        if (got <= 0)
            die("read");
        done += (size_t)got;
    }
    return 42;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "read") == 0)
        return read_all(argv[2]);
    if (argc != 4)
        return 2;
    int file = open(argv[1], O_RDWR | O_CLOEXEC);
    struct control *control = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (file < 0 || control == MAP_FAILED)
        die(argv[1]);
    close(file);

    size_t words = strtoul(argv[2], NULL, 10) << 17;
    uint64_t *data = mmap(NULL, words * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
        die("mmap");
    for (size_t i = 0; i < words; i++)
        data[i] = random_word(i);

    unsigned others = (unsigned)strtoul(argv[3], NULL, 10) - 1;
    pthread_t *threads = calloc(others + 1, sizeof *threads);
    signal(SIGRTMIN + 5, arrive);
    for (unsigned i = 0; i < others; i++)
        if (pthread_create(&threads[i], NULL, wait_for_ever, NULL) != 0)
            die("pthread_create");

    atomic_store(&control->ready, 1);
    uint64_t last = now();
    volatile uint64_t sink = 0;
    for (;;) {
        // Some work between two looks, so that the program is seldom in the midst of one.
        for (int i = 0; i < 200; i++)
            sink = random_word(sink);
        uint64_t here = now();
        if (here - last > atomic_load(&control->gap))
            atomic_store(&control->gap, here - last);
        last = here;
        uint64_t command = atomic_load(&control->command);
        if (command == ROUND) {
            atomic_store(&control->round, interrupt_all(threads, others));
            atomic_store(&control->command, NOTHING);
            last = now();
        } else if (command == END) {
            for (size_t i = 0; i < words; i += words / 64)
                if (data[i] != random_word(i))
                    return 1;
            _exit(42);
        }
    }
}
