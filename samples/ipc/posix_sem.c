// POSIX semaphores between processes. "named": sem_open, a file of /dev/shm that is mapped.
// "unlinked": the same without its name. "unnamed": sem_init in shared memory.
//#Variants: named unlinked unnamed
//#Unseen: memory
//#Flags: -pthread
#include "../lib/sample.h"
#include <semaphore.h>
#include <sys/wait.h>

int main(int argc, char **argv) {
    sample_start(argc, argv);
    expect(argc > 2, "variant");
    int named = strcmp(argv[2], "named") == 0, unnamed = strcmp(argv[2], "unnamed") == 0;
    char name[64];
    snprintf(name, sizeof name, "/ckpt-sample-%d", (int)getpid());
    sem_t *sem;
    if (unnamed) {
        sem = map_anywhere(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
        expect(sem_init(sem, 1, 3) == 0, "sem_init");
    } else {
        sem = sem_open(name, O_CREAT | O_EXCL, 0600, 3);
        expect(sem != SEM_FAILED, "sem_open");
        if (!named)
            expect(sem_unlink(name) == 0, "sem_unlink");
    }
    expect(sem_wait(sem) == 0, "sem_wait");
    ready();
    wait_for_go();
    sem_t *again = sem;
    if (named) {
        again = sem_open(name, 0);
        sem_unlink(name);
        expect(again != SEM_FAILED, "the name is gone");
    }
    SPOIL(1, sem_post(sem));
    int value;
    expect(sem_getvalue(again, &value) == 0 && value == 2, "value %d", value);
    expect(sem_wait(sem) == 0 && sem_wait(sem) == 0 && sem_trywait(sem) < 0, "two are left");
    // A child is another process: it must find the same semaphore.
    pid_t child = fork();
    expect(child >= 0, "fork");
    if (child == 0)
        _exit(sem_post(again) == 0 ? 0 : 1);
    expect(sem_wait(sem) == 0, "sem_wait");
    int status;
    expect(waitpid(child, &status, 0) == child && status == 0, "child");
    pass();
}
