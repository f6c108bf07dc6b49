// Restored with `--pid same`: process id and thread ids are those from before, for all that goes by them:
// signals to threads by number, locks that name their owner, processor clocks, children, /proc.
//#Flags: -pthread
#include "../lib/sample.h"
#include <dirent.h>
#include <pthread.h>
#include <sys/wait.h>

enum { THREADS = 6 };
static pid_t pid, tids[THREADS + 1];
static pthread_t threads[THREADS];
static pthread_mutex_t held[THREADS + 1];
static pthread_barrier_t started;
static volatile int may_end;
static volatile sig_atomic_t hits;

static void hit(int number, siginfo_t *info, void *context) {
    (void)number, (void)context;
    if (info->si_pid == pid)
        hits++;
}

static pid_t own_tid(void) { return (pid_t)syscall(SYS_gettid); }

static void make_lock(pthread_mutex_t *lock) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(lock, &attributes);
    expect(pthread_mutex_lock(lock) == 0, "lock");
}

static void *live(void *argument) {
    long n = (long)argument;
    tids[n] = own_tid();
    make_lock(&held[n]);
    pthread_barrier_wait(&started);
    while (!may_end)
        short_sleep();
    expect(own_tid() == tids[n], "thread %ld is %d, was %d", n, own_tid(), tids[n]);
    expect(pthread_mutex_lock(&held[n]) == EDEADLK, "the lock does not know its owner");
    expect(pthread_mutex_unlock(&held[n]) == 0, "unlock");
    return (void *)(n * 3);
}

static void expect_no_capabilities(void) {
    DIR *tasks = opendir("/proc/self/task");
    expect(tasks, "no /proc/self/task");
    int seen = 0;
    for (struct dirent *entry; (entry = readdir(tasks));) {
        if (entry->d_name[0] == '.')
            continue;
        char path[300], line[200];
        snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
        FILE *status = fopen(path, "r");
        expect(status, "%s", path);
        while (fgets(line, sizeof line, status))
            if (!strncmp(line, "CapInh", 6) || !strncmp(line, "CapPrm", 6) ||
                !strncmp(line, "CapEff", 6) || !strncmp(line, "CapAmb", 6)) {
                expect(strtoull(line + 7, NULL, 16) == 0, "%s: %s", path, line);
                seen++;
            }
        fclose(status);
    }
    closedir(tasks);
    expect(seen == 4 * (THREADS + 1), "%d lines", seen);
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    struct sigaction action = {.sa_sigaction = hit, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    pid = getpid();
    tids[THREADS] = own_tid();
    make_lock(&held[THREADS]);
    pthread_barrier_init(&started, NULL, THREADS + 1);
    for (long n = 0; n < THREADS; n++)
        pthread_create(&threads[n], NULL, live, (void *)n);
    pthread_barrier_wait(&started);
    ready();
    wait_for_go();
    SPOIL(1, pid++);
    SPOIL(2, tids[3]++);
    SPOIL(3, tids[THREADS] = tids[0]);
    expect(getpid() == pid && own_tid() == tids[THREADS], "process %d, was %d", getpid(), pid);
    expect_no_capabilities();

    // By number, as debuggers and runtimes do it.
    for (int n = 0; n <= THREADS; n++)
        expect(syscall(SYS_tgkill, pid, tids[n], SIGUSR1) == 0, "tgkill of %d", tids[n]);
    for (int n = 0; n < THREADS; n++)
        expect(pthread_kill(threads[n], 0) == 0, "pthread_kill");
    expect(kill(pid, SIGUSR1) == 0, "kill");
    for (int n = 0; n < 5000 && hits < THREADS + 2; n++)
        short_sleep();
    expect(hits == THREADS + 2, "%d signals arrived", (int)hits);
    clockid_t clock;
    struct timespec time;
    expect(pthread_getcpuclockid(threads[2], &clock) == 0 && clock_gettime(clock, &time) == 0, "clock");
    expect(pthread_mutex_unlock(&held[THREADS]) == 0, "unlock");

    char link[16] = "";
    expect(readlink("/proc/self", link, sizeof link - 1) > 0 && atoi(link) == pid, "/proc/self is %s", link);
    pid_t child = fork();
    if (child == 0)
        _exit(getppid() == pid ? 7 : 8);
    int status = 0;
    expect(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7, "child: %x",
           status);
    may_end = 1;
    for (long n = 0; n < THREADS; n++) {
        void *result;
        expect(pthread_join(threads[n], &result) == 0 && result == (void *)(n * 3), "join");
    }
    pass();
}
