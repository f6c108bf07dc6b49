// work ROUNDS: three threads work, each by itself: they compute, take a lock, ask the kernel. Every thread
// executes as many instructions in each run, whatever order they run in: they wait for each other in read(2)
// alone, which is the same few instructions however long it takes, and share no lock, an allocator's neither.
// What may differ is how far each has come on the way to its last read when the program ends.
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 3 };
static int start[THREADS][2], done[2];
static pthread_mutex_t locks[THREADS];
static unsigned rounds;
static volatile uint64_t sink;

static void say(int pipe) {
    if (write(pipe, "x", 1) != 1)
        _exit(1);
}

static void hear(int pipe) {
    char byte;
    if (read(pipe, &byte, 1) != 1)
        _exit(1);
}

static void *run(void *argument) {
    size_t id = (size_t)argument;
    uint64_t x = id;
    say(done[1]);
    hear(start[id][0]);
    for (unsigned round = 0; round < rounds; round++) {
        uint64_t words[250];
        for (int i = 0; i < 250; i++)
            words[i] = x = x * 6364136223846793005 + 1442695040888963407;
        pthread_mutex_lock(&locks[id]);
        x ^= words[x % 250];
        pthread_mutex_unlock(&locks[id]);
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        x += (uint64_t)getppid() & 0;
    }
    sink = x;
    say(done[1]);
    hear(start[id][0]);
    return NULL;
}

int main(int argc, char **argv) {
    rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1;
    if (pipe(done) != 0)
        return 1;
    for (size_t i = 0; i < THREADS; i++) {
        pthread_t thread;
        pthread_mutex_init(&locks[i], NULL);
        if (pipe(start[i]) != 0 || pthread_create(&thread, NULL, run, (void *)i) != 0)
            return 1;
        hear(done[0]);
    }
    for (int i = 0; i < THREADS; i++)
        say(start[i][1]);
    for (int i = 0; i < THREADS; i++)
        hear(done[0]);
    _exit(0);
}
