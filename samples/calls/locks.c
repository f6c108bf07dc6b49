// Locks on files that somebody else has: flock, and fcntl's F_SETLKW of an open file (OFD).
//#Flags: -pthread
//#Links: pie musl
#include "calls.h"
#include <sys/file.h>

static int by_flock(struct wait *self, struct timespec span) {
    (void)span;
    return flock(self->fd[0], LOCK_EX) == 0 ? 0 : errno;
}
static void wake_flock(struct wait *self) {
    expect(flock(self->fd[1], LOCK_UN) == 0, "flock");
    while (self->ended == 0)
        short_sleep();
    expect(flock(self->fd[0], LOCK_UN) == 0, "flock");
    expect(flock(self->fd[1], LOCK_EX | LOCK_NB) == 0, "flock");
}

static struct flock range(short kind) { return (struct flock){.l_type = kind, .l_start = 3, .l_len = 4}; }

static int by_fcntl(struct wait *self, struct timespec span) {
    (void)span;
    struct flock lock = range(F_WRLCK);
    return fcntl(self->fd[0], F_OFD_SETLKW, &lock) == 0 ? 0 : errno;
}
static void wake_fcntl(struct wait *self) {
    struct flock lock = range(F_WRLCK), none = range(F_UNLCK);
    expect(fcntl(self->fd[1], F_OFD_SETLK, &none) == 0, "fcntl");
    while (self->ended == 0)
        short_sleep();
    expect(fcntl(self->fd[0], F_OFD_SETLK, &none) == 0, "fcntl");
    expect(fcntl(self->fd[1], F_OFD_SETLK, &lock) == 0, "fcntl");
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    static struct wait all[] = {
        {.name = "flock", .wait = by_flock, .wake = wake_flock, .data = "flock"},
        {.name = "F_OFD_SETLKW", .wait = by_fcntl, .wake = wake_fcntl, .data = "fcntl"},
    };
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++)
            expect((all[i].fd[j] = open(all[i].data, O_RDWR | O_CREAT, 0600)) >= 0, "open");
    struct flock lock = range(F_WRLCK);
    expect(flock(all[0].fd[1], LOCK_EX) == 0, "flock");
    expect(fcntl(all[1].fd[1], F_OFD_SETLK, &lock) == 0, "fcntl");
    calls_wait(all, sizeof all / sizeof *all);
    SPOIL(1, all[0].abnormal++);
    calls_judge(all, sizeof all / sizeof *all);
}
