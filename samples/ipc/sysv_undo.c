// System V semaphores with changes that are taken back when the process ends (SEM_UNDO). That happens when it is
// killed, and at a restore they are made again: the values are as they were, and are taken back in the end.
//#Flags: -pthread
//#Variants: taken given much several thread
#include "../lib/sample.h"
#include <pthread.h>
#include <sys/ipc.h>
#include <sys/sem.h>

enum { SEMAPHORES = 4, SHARED_UNDO = 0x40000 /* CLONE_SYSVSEM */ };
static int set;

static void change(int number, int by, int flags) {
    struct sembuf one = {(unsigned short)number, (short)by, (short)flags};
    expect(semop(set, &one, 1) == 0, "semop %d by %d", number, by);
}

static void *in_thread(void *argument) {
    change(1, *(int *)argument, SEM_UNDO);
    return NULL;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *kind = argc > 2 ? argv[2] : "several";
    set = semget(IPC_PRIVATE, SEMAPHORES, 0600);
    expect(set >= 0, "semget");
    int begin[SEMAPHORES] = {7, 30000, 0, 2}, by[SEMAPHORES] = {0};
    for (int i = 0; i < SEMAPHORES; i++)
        expect(semctl(set, i, SETVAL, begin[i]) == 0, "SETVAL");
    by[1] = strcmp(kind, "given") == 0 ? 1 : -1;
    if (strcmp(kind, "several") == 0) {
        // All there is; the most that can be given.
        by[0] = -7;
        by[2] = 32767;
        by[3] = -1;
    }
    if (strcmp(kind, "much") == 0) {
        change(1, -29999, SEM_UNDO);
        change(1, 20000, SEM_UNDO);
        by[1] = -9999;
    } else if (strcmp(kind, "thread") == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, in_thread, &by[1]);
        pthread_join(thread, NULL);
    } else {
        for (int i = 0; i < SEMAPHORES; i++)
            if (by[i])
                change(i, by[i], SEM_UNDO);
    }

    ready();
    wait_for_go();
    SPOIL(1, change(1, 1, 0));
    SPOIL(2, change(1, 1, SEM_UNDO); change(1, -1, 0));
    SPOIL(3, semctl(set, 1, SETVAL, begin[1] + by[1]));

    int now[SEMAPHORES], after[SEMAPHORES];
    for (int i = 0; i < SEMAPHORES; i++)
        now[i] = semctl(set, i, GETVAL);
    // Ends with its adjustments as if the process did.
    long undone = syscall(SYS_unshare, SHARED_UNDO);
    for (int i = 0; i < SEMAPHORES; i++)
        after[i] = semctl(set, i, GETVAL);
    semctl(set, 0, IPC_RMID);
    expect(undone == 0, "unshare");
    for (int i = 0; i < SEMAPHORES; i++) {
        expect(now[i] == begin[i] + by[i], "value of %d: %d", i, now[i]);
        expect(after[i] == begin[i], "value of %d afterwards: %d", i, after[i]);
    }
    pass();
}
