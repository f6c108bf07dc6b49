// Threads that wait for an eventfd: for a value to read, or for room to write one. The wait ends with the
// event, not before, and nothing of it is lost.
//#Flags: -pthread
//#Variants: reader writer semaphore
//#Links: pie musl
#include "../lib/sample.h"
#include <pthread.h>
#include <sys/eventfd.h>

enum { THREADS = 3 };
static int fd, writing;
static int begun, done;

static void *wait_for_it(void *argument) {
    (void)argument;
    uint64_t value = 5;
    __atomic_add_fetch(&begun, 1, __ATOMIC_SEQ_CST);
    ssize_t result = writing ? write(fd, &value, sizeof value) : read(fd, &value, sizeof value);
    expect(result == sizeof value, "the call ended with %d", (int)result);
    __atomic_add_fetch(&done, 1, __ATOMIC_SEQ_CST);
    return (void *)(uintptr_t)value;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *kind = argc > 2 ? argv[2] : "reader";
    int semaphore = strcmp(kind, "semaphore") == 0;
    writing = strcmp(kind, "writer") == 0;
    int count = semaphore ? THREADS : 1;
    fd = eventfd(0, semaphore ? EFD_SEMAPHORE : 0);
    expect(fd >= 0, "eventfd");
    uint64_t most = UINT64_MAX - 1;
    if (writing)
        expect(write(fd, &most, sizeof most) == sizeof most, "write");
    pthread_t threads[THREADS];
    for (int i = 0; i < count; i++)
        expect(pthread_create(&threads[i], NULL, wait_for_it, NULL) == 0, "pthread_create");
    while (__atomic_load_n(&begun, __ATOMIC_SEQ_CST) < count)
        short_sleep();

    ready();
    wait_for_go();
    uint64_t value = writing ? 0 : semaphore ? THREADS : 7;
    SPOIL(1, value += writing ? read(fd, &most, sizeof most) != 8 : 1);
    expect(__atomic_load_n(&done, __ATOMIC_SEQ_CST) == 0 || spoil_asked(1), "a wait has ended by itself");
    if (writing) {
        expect(read(fd, &value, sizeof value) == sizeof value && value == most, "value");
    } else {
        expect(write(fd, &value, sizeof value) == sizeof value, "write");
    }
    for (int i = 0; i < count; i++) {
        void *got;
        expect(pthread_join(threads[i], &got) == 0, "pthread_join");
        expect((uintptr_t)got == (writing ? 5 : semaphore ? 1 : 7), "got %d", (int)(uintptr_t)got);
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    ssize_t left = read(fd, &value, sizeof value);
    expect(writing ? left == 8 && value == 5 : left == -1 && errno == EAGAIN, "what is left");
    pass();
}
