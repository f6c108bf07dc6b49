// Threads that a checkpoint cannot stop or carry: one with a filter of system calls of its own, one with descriptors
// of its own, one that blocks all signals, one that takes all off the queue, one whose child runs in its memory
// (vfork), one whose restartable sequences are registered at a place of its own. The checkpoint is refused by name, and
// the thread goes on.
//#Flags: -pthread
//#Variants: filter files files_locked blocked awaiting vfork sequences
#include "../lib/filter.h"
#include "../lib/sample.h"
#include <pthread.h>
#include <stddef.h>
#include <sched.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

static volatile int set, may_end;
static const uint64_t all = ~0UL;
static int ends[2];

// struct rseq of linux/rseq.h, and the library's, if it has one.
enum { SIGNATURE = 0x53053053 };
static struct {
    uint32_t words[8];
} __attribute__((aligned(32))) area;
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));

static void use_sequences(void) {
    if (&__rseq_size != NULL && __rseq_size > 0) {
        char *theirs = (char *)__builtin_thread_pointer() + __rseq_offset;
        expect(syscall(SYS_rseq, theirs, 32, 1, SIGNATURE) == 0, "giving up the library's area");
    }
    expect(syscall(SYS_rseq, &area, 32, 0, SIGNATURE) == 0, "rseq");
}

static void *run(void *argument) {
    const char *kind = argument;
    char byte = 0;
    if (strcmp(kind, "filter") == 0)
        filter_calls();
    if (strcmp(kind, "sequences") == 0)
        use_sequences();
    if (strcmp(kind, "files_locked") == 0)
        expect(unshare(CLONE_FILES) == 0, "unshare");
    if (strcmp(kind, "files") == 0) {
        expect(unshare(CLONE_FILES) == 0, "unshare");
        expect(timerfd_create(CLOCK_MONOTONIC, 0) >= 0, "a timer that only this thread has");
    }
    if (strcmp(kind, "blocked") == 0)
        expect(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &all, NULL, 8) == 0, "rt_sigprocmask");
    if (strcmp(kind, "awaiting") == 0) {
        expect(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &all, NULL, 8) == 0, "rt_sigprocmask");
        set = 1;
        expect(syscall(SYS_rt_sigtimedwait, &all, NULL, NULL, 8) == SIGTERM, "another signal");
    } else if (strcmp(kind, "vfork") == 0) {
        pid_t child = vfork();
        if (child == 0) {
            set = 1;
            while (read(ends[0], &byte, 1) < 0)
                ;
            _exit(byte);
        }
        int status;
        expect(waitpid(child, &status, 0) == child && WIFEXITED(status), "waitpid");
        expect(WEXITSTATUS(status) == 7, "status %x", status);
    } else {
        set = 1;
        expect(syscall(SYS_read, ends[0], &byte, 1) == 1 && byte == 7, "an end of the wait: %d", byte);
    }
    if (strcmp(kind, "filter") == 0)
        expect(prctl(PR_GET_SECCOMP) == 2, "the filter");
    if (strcmp(kind, "sequences") == 0)
        expect(syscall(SYS_rseq, &area, 32, 1, SIGNATURE) == 0, "the area is not registered any more");
    return argument;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    pthread_t thread;
    char byte = 7;
    expect(pipe2(ends, O_CLOEXEC) == 0, "pipe");
    int locked = -1;
    struct flock lock = {.l_type = F_WRLCK};
    if (strcmp(argv[2], "files_locked") == 0) {
        locked = open("locked", O_RDWR | O_CREAT, 0600);
        expect(fcntl(locked, F_SETLK, &lock) == 0, "lock");
    }
    pthread_create(&thread, NULL, run, argv[2]);
    while (!set)
        short_sleep();
    ready();
    wait_for_go();

    SPOIL(1, byte = 8);
    expect(write(ends[1], &byte, 1) == 1, "write");
    if (strcmp(argv[2], "awaiting") == 0)
        expect(pthread_kill(thread, SIGTERM) == 0, "pthread_kill");
    void *result;
    expect(pthread_join(thread, &result) == 0 && result == argv[2], "the thread");
    expect(prctl(PR_GET_SECCOMP) == 0, "no filter here");
    if (locked >= 0) {
        pid_t child = fork();
        if (child == 0)
            _exit(fcntl(locked, F_SETLK, &lock) == -1 && (errno == EAGAIN || errno == EACCES) ? 0 : 1);
        int status = -1;
        expect(waitpid(child, &status, 0) == child && status == 0, "the lock");
    }
    pass();
}
