// A thread that has had more than its share of the processor when it goes to sleep, and is moved to another one
// right then: the scheduler's note of when it has run last is gone (`se.exec_start` is zero, since Linux 6.12). Its
// time-out does not end early.
//#Flags: -pthread
//#Links: pie musl
#include "../lib/sample.h"
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

enum { FAR_AWAY = 3600000 /* ms */ };
static _Atomic int id, asleep, ended;
static int stop, processors[2];

static void on_signal(int number) { (void)number; }

static void move(int tid, int processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    expect(sched_setaffinity(tid, sizeof set, &set) == 0, "sched_setaffinity");
}

static void burn(double seconds) {
    for (double end = monotonic() + seconds; monotonic() < end;)
        ;
}

// Has the processor's time for itself, and for the one that goes to sleep.
static void *spin(void *argument) {
    move(0, processors[0]);
    while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST))
        burn(0.001);
    return argument;
}

static void *sleeper(void *argument) {
    id = (int)syscall(SYS_gettid);
    while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
        move(0, processors[0]);
        burn(0.003);
        asleep = 1;
        int result = poll(NULL, 0, FAR_AWAY);
        ended = result == -1 && errno == EINTR ? 1 : 2;
        asleep = 0;
    }
    return argument;
}

// Whether the note is gone, of one that is asleep.
static int note_is_gone(void) {
    char name[64], line[256];
    int zero = 0, sleeps = 0;
    snprintf(name, sizeof name, "/proc/self/task/%d/stat", id);
    FILE *file = fopen(name, "r");
    expect(file != NULL, "stat");
    sleeps = fscanf(file, "%*d %*s %c", line) == 1 && line[0] == 'S';
    fclose(file);
    snprintf(name, sizeof name, "/proc/self/task/%d/sched", id);
    file = fopen(name, "r");
    expect(file != NULL, "sched");
    while (fgets(line, sizeof line, file))
        if (strncmp(line, "se.exec_start", 13) == 0)
            zero = strtod(strchr(line, ':') + 1, NULL) == 0;
    fclose(file);
    return sleeps && zero;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    struct utsname system;
    int major = 0, minor = 0;
    expect(uname(&system) == 0 && sscanf(system.release, "%d.%d", &major, &minor) == 2, "uname");
    int new = major > 6 || (major == 6 && minor >= 12);
    cpu_set_t allowed;
    expect(sched_getaffinity(0, sizeof allowed, &allowed) == 0, "sched_getaffinity");
    int count = 0;
    for (int i = 0; i < CPU_SETSIZE && count < 2; i++)
        if (CPU_ISSET(i, &allowed))
            processors[count++] = i;
    expect(count == 2, "two processors are needed");
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    pthread_t spinning, thread;
    expect(pthread_create(&spinning, NULL, spin, NULL) == 0, "pthread_create");
    expect(pthread_create(&thread, NULL, sleeper, NULL) == 0, "pthread_create");
    move(0, processors[1]);
    double start = monotonic();
    for (;;) {
        while (!asleep)
            ;
        burn(0.0005);
        move(id, processors[1]);
        if (note_is_gone() || !new)
            break;
        expect(monotonic() - start < 60, "the note is never gone");
        while (asleep) {
            pthread_kill(thread, SIGUSR1);
            short_sleep();
        }
    }
    ended = 0;
    ready();
    wait_for_go();
    SPOIL(1, pthread_kill(thread, SIGUSR1));
    // It would have ended at once.
    for (int i = 0; i < 50; i++)
        short_sleep();
    expect(!ended && asleep, "the time-out has ended: %d", ended);
    __atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
    while (asleep) {
        pthread_kill(thread, SIGUSR1);
        short_sleep();
    }
    expect(pthread_join(thread, NULL) == 0 && pthread_join(spinning, NULL) == 0, "pthread_join");
    expect(ended == 1, "the time-out has ended");
    pass();
}
