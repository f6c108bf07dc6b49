// System V queues and semaphores: msgrcv from an empty queue, msgsnd to a full one, semop, and semtimedop with
// a time that ends it and with one that is far away.
//#Flags: -pthread
//#Links: pie musl
#include "calls.h"
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>

struct message {
    long type;
    char text[8192];
};
static int empty, full, counts;

static int receive(struct wait *self, struct timespec span) {
    (void)self, (void)span;
    struct message in;
    ssize_t got = msgrcv(empty, &in, sizeof in.text, 0, 0);
    return got == 4 ? 0 : got < 0 ? errno : 1000;
}
static void wake_receive(struct wait *self) {
    (void)self;
    struct message out = {1, "four"};
    expect(msgsnd(empty, &out, 4, 0) == 0, "msgsnd");
}

static int give(struct wait *self, struct timespec span) {
    (void)self, (void)span;
    static struct message out = {1, "much"};
    return msgsnd(full, &out, sizeof out.text, 0) == 0 ? 0 : errno;
}
static void wake_give(struct wait *self) {
    (void)self;
    static struct message in;
    expect(msgrcv(full, &in, sizeof in.text, 0, 0) == sizeof in.text, "msgrcv");
}

static int take(struct wait *self, struct timespec span) {
    struct sembuf operation = {(unsigned short)(long)self->data, -1, 0};
    span.tv_sec = 3600;
    int result = self->data ? semtimedop(counts, &operation, 1, &span) : semop(counts, &operation, 1);
    return result == 0 ? 0 : errno;
}
static void wake_take(struct wait *self) {
    struct sembuf operation = {(unsigned short)(long)self->data, 1, 0};
    expect(semop(counts, &operation, 1) == 0, "semop");
}

static int take_time(struct wait *self, struct timespec span) {
    (void)self;
    struct sembuf operation = {2, -1, 0};
    return semtimedop(counts, &operation, 1, &span) == -1 && errno == EAGAIN ? 0 : errno;
}

static void clean(void) {
    msgctl(empty, IPC_RMID, NULL);
    msgctl(full, IPC_RMID, NULL);
    semctl(counts, 0, IPC_RMID);
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    empty = msgget(IPC_PRIVATE, 0600);
    full = msgget(IPC_PRIVATE, 0600);
    counts = semget(IPC_PRIVATE, 3, 0600);
    expect(empty >= 0 && full >= 0 && counts >= 0, "System V objects");
    calls_clean = clean;
    static struct message out = {1, "much"};
    while (msgsnd(full, &out, sizeof out.text, IPC_NOWAIT) == 0)
        ;
    static struct wait all[] = {
        {.name = "msgrcv", .wait = receive, .wake = wake_receive},
        {.name = "msgsnd", .wait = give, .wake = wake_give},
        {.name = "semop", .wait = take, .wake = wake_take},
        {.name = "semtimedop, event", .wait = take, .wake = wake_take, .data = (void *)1},
        {.name = "semtimedop", .wait = take_time},
    };
    calls_wait(all, sizeof all / sizeof *all);
    SPOIL(1, all[0].abnormal++);
    calls_judge(all, sizeof all / sizeof *all);
}
