// Threads that have left the others' working directory and creation mask (unshare): each has its own afterwards, the
// others' go on being shared. Variant "odd": the checkpoint falls to a thread that has its own.
//#Flags: -pthread
//#Variants: shared odd
#include "../lib/sample.h"
#include <pthread.h>
#include <sched.h>

enum { OWN = 2 };
static pthread_barrier_t set, go, moved;
// SIGURG, SIGUSR2 and 32: what can ask for a checkpoint.
static const uint64_t asking = 1UL << (SIGURG - 1) | 1UL << (SIGUSR2 - 1) | 1UL << 31;

static void expect_here(const char *name, mode_t mask) {
    char cwd[4096];
    expect(getcwd(cwd, sizeof cwd) != NULL && strrchr(cwd, '/') != NULL, "getcwd");
    expect(strcmp(strrchr(cwd, '/') + 1, name) == 0, "in %s, not %s", cwd, name);
    char file[64];
    snprintf(file, sizeof file, "file-%s-%o", name, (unsigned)mask);
    int made = open(file, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0777);
    struct stat stat;
    expect(made >= 0 && fstat(made, &stat) == 0, "a file in %s", cwd);
    expect((stat.st_mode & 0777) == (0777 & ~mask), "mode %o in %s", stat.st_mode, cwd);
    close(made);
    unlink(file);
}

static void *live_apart(void *argument) {
    long id = (long)argument;
    char name[16];
    snprintf(name, sizeof name, "own%ld", id);
    expect(unshare(CLONE_FS) == 0, "unshare");
    expect(mkdir(name, 0755) == 0 && chdir(name) == 0, "chdir");
    umask(id == 0 ? 027 : 0);
    pthread_barrier_wait(&set);
    pthread_barrier_wait(&go);
    SPOIL(1, umask(1));
    SPOIL(2, expect(chdir("..") == 0, "chdir"));
    expect_here(name, id == 0 ? 027 : 0);
    pthread_barrier_wait(&moved);
    expect_here(name, id == 0 ? 027 : 0);
    return argument;
}

static void *live_together(void *argument) {
    if (argument)
        expect(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &asking, NULL, 8) == 0, "block");
    pthread_barrier_wait(&set);
    pthread_barrier_wait(&go);
    expect_here("all", 077);
    expect(chdir("../new") == 0, "chdir for all but two");
    umask(022);
    pthread_barrier_wait(&moved);
    return NULL;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    int odd = argc > 2 && strcmp(argv[2], "odd") == 0;
    pthread_barrier_init(&set, NULL, OWN + 2);
    pthread_barrier_init(&go, NULL, OWN + 2);
    pthread_barrier_init(&moved, NULL, OWN + 2);
    expect(mkdir("all", 0755) == 0 && mkdir("new", 0755) == 0, "mkdir");
    pthread_t threads[OWN + 1];
    for (long i = 0; i < OWN; i++)
        expect(pthread_create(&threads[i], NULL, live_apart, (void *)i) == 0, "pthread_create");
    expect(pthread_create(&threads[OWN], NULL, live_together, odd ? &odd : NULL) == 0, "pthread_create");
    pthread_barrier_wait(&set);
    expect(chdir("all") == 0, "chdir");
    umask(077);
    if (odd)
        expect(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &asking, NULL, 8) == 0, "block");
    ready();
    wait_for_go();
    pthread_barrier_wait(&go);
    pthread_barrier_wait(&moved);
    expect_here("new", 022);
    for (int i = 0; i <= OWN; i++)
        expect(pthread_join(threads[i], NULL) == 0, "pthread_join");
    pass();
}
