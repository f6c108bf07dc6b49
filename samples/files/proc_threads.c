// Files of other threads in /proc: they are those of the same threads of the restored process, whose ids are others.
//#Flags: -pthread
//#Unseen: descriptors
//#Links: pie nopie static staticpie musl
//#Generations: 3
#include "../lib/sample.h"
#include <pthread.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static int stop;

struct thread {
    pthread_t thread;
    char name[16];
    _Atomic int id;
};

// Ends with the name that the thread has by then.
static void *run(void *argument) {
    struct thread *own = argument;
    prctl(PR_SET_NAME, own->name);
    own->id = (int)syscall(SYS_gettid);
    while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST))
        short_sleep();
    prctl(PR_GET_NAME, own->name);
    return NULL;
}

static int open_of(const struct thread *thread, const char *name, int flags) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/%s", thread->id, name);
    int fd = open(path, flags);
    expect(fd >= 0, "%s", path);
    return fd;
}

static void expect_text(int fd, const char *wanted) {
    char text[32] = "";
    expect(read(fd, text, sizeof text - 1) >= 0 && strcmp(text, wanted) == 0, "%s instead of %s", text, wanted);
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    static struct thread left = {.name = "left"}, right = {.name = "right"};
    struct thread *both[2] = {&left, &right};
    for (int i = 0; i < 2; i++) {
        expect(pthread_create(&both[i]->thread, NULL, run, both[i]) == 0, "pthread_create");
        while (both[i]->id == 0)
            short_sleep();
    }
    int first = open_of(&left, "comm", O_RDONLY | O_CLOEXEC), second = open_of(&right, "comm", O_RDWR);
    int place = open_of(&left, "", O_PATH), folder = open_of(&right, "", O_RDONLY | O_DIRECTORY);
    expect_text(second, "right\n");
    char half[2];
    expect(read(first, half, sizeof half) == sizeof half && memcmp(half, "le", 2) == 0, "read");
    int same = dup(first);
    expect(flock(first, LOCK_EX) == 0, "flock");
    ready();
    wait_for_go();
    SPOIL(1, dup2(second, first));
    SPOIL(2, dup2(folder, place));
    SPOIL(3, lseek(same, 0, SEEK_SET));
    SPOIL(4, flock(first, LOCK_UN));

    expect(fcntl(first, F_GETFD) == FD_CLOEXEC && fcntl(same, F_GETFD) == 0, "flags");
    expect((fcntl(second, F_GETFL) & O_ACCMODE) == O_RDWR, "flags");
    expect_text(same, "ft\n");
    expect(lseek(first, 0, SEEK_CUR) == 5, "position");
    int through = openat(place, "comm", O_RDONLY);
    expect_text(through, "left\n");
    expect(flock(through, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK, "the lock");
    expect_text(openat(folder, "comm", O_RDONLY), "right\n");
    expect(write(second, "another", 7) == 7, "write");
    __atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < 2; i++)
        expect(pthread_join(both[i]->thread, NULL) == 0, "pthread_join");
    expect(strcmp(left.name, "left") == 0 && strcmp(right.name, "another") == 0, "%s, %s", left.name, right.name);
    pass();
}
