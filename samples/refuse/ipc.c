// Interprocess communication that a checkpoint cannot carry: System V shared memory of which only a part is mapped, a
// POSIX message queue, a semaphore that is to be given back at the process's end.
//#Variants: shm queue taken given
//#Links: pie static musl
#include "../lib/sample.h"
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>

static const char *kind;
static int is(const char *name) { return strcmp(kind, name) == 0; }

static int set_of(int value) {
    int set = semget(IPC_PRIVATE, 2, 0600);
    expect(set >= 0, "semget");
    struct sembuf give = {1, (short)value, 0};
    expect(semop(set, &give, 1) == 0, "semop");
    return set;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    kind = argc > 2 ? argv[2] : "shm";
    char name[64];
    snprintf(name, sizeof name, "/ckpt-sample-%d", (int)getpid());
    int set = -1, queue = -1;
    unsigned char *view = NULL;
    if (is("shm")) {
        int id = shmget(IPC_PRIVATE, 3 * PAGE, 0600);
        view = shmat(id, NULL, 0);
        shmctl(id, IPC_RMID, NULL);
        expect(view != (void *)-1, "shmat");
        fill(view, 3 * PAGE, 1);
        expect(munmap(view + 2 * PAGE, PAGE) == 0, "munmap");
    } else if (is("queue")) {
        // Names begin with a slash only in the C library.
        queue = (int)syscall(SYS_mq_open, name + 1, O_RDWR | O_CREAT | O_EXCL, 0600, NULL);
        expect(queue >= 0, "mq_open");
        syscall(SYS_mq_unlink, name + 1);
        if (queue != 7) {
            expect(dup2(queue, 7) == 7, "dup2");
            close(queue);
        }
        expect(syscall(SYS_mq_timedsend, 7, "message", 7, 3, NULL) == 0, "mq_send");
    } else if (is("taken") || is("given")) {
        set = set_of(is("taken") ? 2 : 1);
        // One more or one less than without the undo: the smallest adjustments there are.
        struct sembuf one = {1, is("taken") ? -1 : 1, SEM_UNDO};
        int done = semop(set, &one, 1);
        if (done != 0)
            semctl(set, 0, IPC_RMID);
        expect(done == 0, "semop");
    }
    ready();
    wait_for_go();
    if (is("shm")) {
        expect_pattern(view, 2 * PAGE, 1);
    } else if (is("queue")) {
        char text[8192];
        unsigned priority;
        expect(syscall(SYS_mq_timedreceive, 7, text, sizeof text, &priority, NULL) == 7, "receive");
        expect(priority == 3 && memcmp(text, "message", 7) == 0, "the message");
    } else if (set >= 0) {
        // Another process sees the value; the end of this one has to undo what it did.
        int value = semctl(set, 1, GETVAL), first = semctl(set, 0, GETVAL);
        int way = is("taken") ? -1 : 1;
        struct sembuf back = {1, (short)-way, SEM_UNDO};
        int done = semop(set, &back, 1);
        pid_t child = fork();
        if (child == 0) {
            struct sembuf again = {1, (short)way, SEM_UNDO};
            _exit(semop(set, &again, 1) == 0 ? 0 : 1);
        }
        int status = -1;
        waitpid(child, &status, 0);
        int after = semctl(set, 1, GETVAL);
        semctl(set, 0, IPC_RMID);
        expect(first == 0 && value == (way < 0 ? 1 : 2), "values %d, %d", first, value);
        expect(done == 0 && status == 0 && after == value - way, "undone to %d", after);
    }
    SPOIL(1, exit(1));
    pass();
}
