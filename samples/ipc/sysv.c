// System V objects that belong to the system, which a process has only the number of: they are
// there after a kill, untouched. "queue": messages of several types. "semaphores": without SEM_UNDO.
//#Variants: queue semaphores
#include "../lib/sample.h"
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>

struct message {
    long type;
    char text[32];
};

static void queue(void) {
    int id = msgget(IPC_PRIVATE, 0600);
    expect(id >= 0, "msgget");
    struct message out[3] = {{2, "first"}, {1, "second"}, {2, "third"}};
    for (int i = 0; i < 3; i++)
        expect(msgsnd(id, &out[i], sizeof out[i].text, 0) == 0, "msgsnd");
    ready();
    wait_for_go();
    struct message in[3];
    SPOIL(1, msgrcv(id, &in[0], sizeof in[0].text, 0, 0));
    const long wanted[3] = {1, 0, 0};
    const char *expected[3] = {"second", "first", "third"};
    ssize_t got[3];
    for (int i = 0; i < 3; i++)
        got[i] = msgrcv(id, &in[i], sizeof in[i].text, wanted[i], IPC_NOWAIT);
    // Nothing is left behind, whatever is found.
    msgctl(id, IPC_RMID, NULL);
    for (int i = 0; i < 3; i++)
        expect(got[i] == sizeof in[i].text && strcmp(in[i].text, expected[i]) == 0, "message %d", i);
}

static void semaphores(void) {
    int id = semget(IPC_PRIVATE, 2, 0600);
    expect(id >= 0, "semget");
    struct sembuf ops[2] = {{0, 5, 0}, {1, 7, 0}};
    expect(semop(id, ops, 2) == 0, "semop");
    struct sembuf take = {1, -3, 0};
    expect(semop(id, &take, 1) == 0, "semop");
    ready();
    wait_for_go();
    SPOIL(1, semop(id, &take, 1));
    int first = semctl(id, 0, GETVAL), second = semctl(id, 1, GETVAL);
    semctl(id, 0, IPC_RMID);
    expect(first == 5 && second == 4, "values %d, %d", first, second);
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    expect(argc > 2, "variant");
    if (strcmp(argv[2], "queue") == 0)
        queue();
    else
        semaphores();
    pass();
}
