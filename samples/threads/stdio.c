// Streams of the C library belong to a thread while it uses them (flockfile): one is held twice over, waited
// for, and one is held by a thread that waits for room in a pipe. Each owner is known as such afterwards.
//#Flags: -pthread
#include "../lib/sample.h"
#include <pthread.h>

static FILE *kept, *full;
static int ends[2];
static volatile pid_t holder, waiter, writer;
static volatile int may_go, refused_to_owner;
enum { MUCH = 200000 };

static pid_t own_id(void) { return (pid_t)syscall(SYS_gettid); }

static void *hold(void *argument) {
    flockfile(kept);
    flockfile(kept);
    fputs("one ", kept);
    holder = own_id();
    while (!may_go)
        short_sleep();
    // Where the owner is not known any more, this would wait for itself.
    if (ftrylockfile(kept) != 0)
        refused_to_owner = 1;
    else
        funlockfile(kept);
    if (!refused_to_owner)
        fputs("two ", kept);
    funlockfile(kept);
    funlockfile(kept);
    return argument;
}

static void *wait_for_it(void *argument) {
    waiter = own_id();
    flockfile(kept);
    if (ftrylockfile(kept) != 0)
        refused_to_owner = 2;
    else
        funlockfile(kept);
    if (!refused_to_owner)
        fputs("three", kept);
    funlockfile(kept);
    return argument;
}

static void *fill_pipe(void *argument) {
    writer = own_id();
    for (int i = 0; i < MUCH; i++)
        putc('a' + i % 26, full);
    fflush(full);
    return argument;
}

// Whether a thread sleeps in the system call of that number.
static int sleeps_in(pid_t tid, int number) {
    char path[64], text[64] = {0};
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", tid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = read(file, text, sizeof text - 1);
    close(file);
    return got > 0 && atoi(text) == number;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    pthread_t threads[3];
    expect(pipe2(ends, O_CLOEXEC) == 0, "pipe");
    kept = fopen("kept", "w+e");
    full = fdopen(ends[1], "w");
    expect(kept && full, "fopen");
    pthread_create(&threads[0], NULL, hold, NULL);
    while (!holder)
        short_sleep();
    pthread_create(&threads[1], NULL, wait_for_it, NULL);
    pthread_create(&threads[2], NULL, fill_pipe, NULL);
    while (!waiter || !writer || !sleeps_in(waiter, SYS_futex) ||
           !(sleeps_in(writer, SYS_write) || sleeps_in(writer, SYS_writev)))
        short_sleep();
    ready();
    wait_for_go();

    expect(ftrylockfile(kept) != 0, "another thread holds it");
    expect(ftrylockfile(full) != 0, "another thread holds the other");
    may_go = 1;
    for (int i = 0; i < MUCH; i++) {
        char byte = 0;
        expect(read(ends[0], &byte, 1) == 1, "read %d", i);
        SPOIL(1, byte ^= i == MUCH - 1);
        expect(byte == 'a' + i % 26, "byte %d is %d", i, byte);
    }
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    expect(refused_to_owner == 0, "thread %d is not known as the owner", refused_to_owner);
    char text[64] = {0};
    rewind(kept);
    expect(fread(text, 1, sizeof text - 1, kept) > 0, "read");
    SPOIL(2, text[0] = 'x');
    expect(strcmp(text, "one two three") == 0, "%s", text);
    expect(ftrylockfile(kept) == 0 && ftrylockfile(full) == 0, "free in the end");
    pass();
}
