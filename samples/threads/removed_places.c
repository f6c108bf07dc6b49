// Threads in directories of their own (unshare) that were removed: "own": each in another; "shared": both in one, which
// is open, too; "home": the others' was removed as well; "odd": and the checkpoint falls to a thread that has its own.
//#Flags: -pthread
//#Variants: own shared home odd
#include "../lib/sample.h"
#include <pthread.h>
#include <sched.h>

static pthread_barrier_t set, go;
static int shared, home;
// SIGURG, SIGUSR2 and 32: what can ask for a checkpoint.
static const uint64_t asking = 1UL << (SIGURG - 1) | 1UL << (SIGUSR2 - 1) | 1UL << 31;

static void expect_removed(mode_t mode) {
    char text[4096];
    struct stat is;
    expect(stat(".", &is) == 0 && is.st_nlink == 0 && is.st_mode == (S_IFDIR | mode), "mode %o", is.st_mode);
    expect(syscall(SYS_getcwd, text, sizeof text) == -1 && errno == ENOENT, "getcwd: %s", text);
    expect(open("new", O_CREAT | O_RDWR, 0600) == -1 && errno == ENOENT, "a new file");
}

static void *live_apart(void *argument) {
    long id = (long)argument;
    mode_t mode = shared || id ? 0700 : 0711;
    char name[16];
    snprintf(name, sizeof name, "own%ld", shared ? 0 : id);
    expect(unshare(CLONE_FS) == 0, "unshare");
    mkdir(name, 0700);
    expect(chdir(name) == 0 && chmod(".", mode) == 0, "chdir");
    umask(id ? 027 : 0);
    pthread_barrier_wait(&set);
    pthread_barrier_wait(&go);
    SPOIL(1, chdir(".."));
    SPOIL(2, umask(1));
    SPOIL(3, chmod(".", 0500));
    expect_removed(mode);
    expect(umask(0) == (id ? 027 : 0), "mask");
    struct stat is, other;
    expect(!shared || (stat(".", &is) == 0 && fstat(shared, &other) == 0 && is.st_ino == other.st_ino), "another");
    expect(stat("..", &is) == 0 && fstat(home, &other) == 0 && is.st_ino == other.st_ino, "the one above");
    return argument;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *variant = argc > 2 ? argv[2] : "own";
    int odd = !strcmp(variant, "odd"), gone = odd || !strcmp(variant, "home");
    pthread_barrier_init(&set, NULL, 3);
    pthread_barrier_init(&go, NULL, 3);
    expect(mkdir("home", 0700) == 0 && chdir("home") == 0, "mkdir");
    home = open(".", O_PATH | O_DIRECTORY);
    if (!strcmp(variant, "shared")) {
        expect(mkdir("own0", 0700) == 0, "mkdir");
        shared = open("own0", O_RDONLY | O_DIRECTORY);
    }
    pthread_t threads[2];
    for (long i = 0; i < 2; i++)
        expect(pthread_create(&threads[i], NULL, live_apart, (void *)i) == 0, "pthread_create");
    pthread_barrier_wait(&set);
    expect(rmdir("own0") == 0 && (shared || rmdir("own1") == 0), "rmdir");
    expect(!gone || rmdir("../home") == 0, "rmdir");
    if (odd)
        expect(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &asking, NULL, 8) == 0, "block");
    ready();
    wait_for_go();
    pthread_barrier_wait(&go);
    for (int i = 0; i < 2; i++)
        expect(pthread_join(threads[i], NULL) == 0, "pthread_join");
    char text[4096];
    if (gone)
        expect_removed(0700);
    else
        expect(getcwd(text, sizeof text) && !strcmp(strrchr(text, '/'), "/home"), "in %s", text);
    pass();
}
