// Calls that are interrupted when half is done: large writes to pipes and sockets, receptions that wait for all,
// random numbers, zeros. Each moves all that it was asked to.
//#Flags: -pthread
//#Links: pie musl
#include "calls.h"
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { MUCH = 1 << 20, PARTS = 5 };
static unsigned char sent[MUCH];

static int all_of(ssize_t got, size_t wanted) { return got == (ssize_t)wanted ? 0 : got < 0 ? errno : 1000; }

// Uneven parts of the whole, one of them empty.
static void divide(struct iovec *parts, unsigned char *at) {
    static const size_t sizes[PARTS] = {1, 300001, 0, 70000, MUCH - 370002};
    for (int i = 0; i < PARTS; i++) {
        parts[i] = (struct iovec){at, sizes[i]};
        at += sizes[i];
    }
}

static int by_write(struct wait *self, struct timespec span) {
    (void)span;
    return all_of(write(self->fd[1], sent, MUCH), MUCH);
}

static int by_writev(struct wait *self, struct timespec span) {
    (void)span;
    struct iovec parts[PARTS];
    divide(parts, sent);
    return all_of(writev(self->fd[1], parts, PARTS), MUCH);
}

static int by_send(struct wait *self, struct timespec span) {
    (void)span;
    return all_of(send(self->fd[1], sent, MUCH, 0), MUCH);
}

static int by_sendmsg(struct wait *self, struct timespec span) {
    (void)span;
    struct iovec parts[PARTS];
    divide(parts, sent);
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = PARTS};
    return all_of(sendmsg(self->fd[1], &message, 0), MUCH);
}

// Takes what was sent, a piece at a time.
static void take(struct wait *self) {
    static __thread unsigned char got[MUCH];
    size_t done = 0;
    while (done < MUCH) {
        ssize_t n = read(self->fd[0], got + done, MUCH - done < 100000 ? MUCH - done : 100000);
        expect(n > 0, "read");
        done += n;
        short_sleep();
    }
    expect(memcmp(got, sent, MUCH) == 0, "what %s has sent", self->name);
}

static int by_recv(struct wait *self, struct timespec span) {
    (void)span;
    static __thread unsigned char got[MUCH];
    memset(got, 0, MUCH);
    int result = all_of(recv(self->fd[0], got, MUCH, MSG_WAITALL), MUCH);
    return result ? result : memcmp(got, sent, MUCH) ? 1001 : 0;
}

static int by_recvmsg(struct wait *self, struct timespec span) {
    (void)span;
    static __thread unsigned char got[MUCH];
    memset(got, 0, MUCH);
    struct iovec parts[PARTS];
    divide(parts, got);
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = PARTS};
    int result = all_of(recvmsg(self->fd[0], &message, MSG_WAITALL), MUCH);
    return result ? result : memcmp(got, sent, MUCH) ? 1001 : 0;
}

// Gives it, a piece at a time.
static void give(struct wait *self) {
    for (size_t done = 0; done < MUCH;) {
        ssize_t n = write(self->fd[1], sent + done, MUCH - done < 50000 ? MUCH - done : 50000);
        expect(n > 0, "write");
        done += n;
        short_sleep();
    }
}

static int by_getrandom(struct wait *self, struct timespec span) {
    static __thread unsigned char got[MUCH];
    (void)span;
    int result = 0;
    while (result == 0 && calls_now() < self->deadline)
        result = all_of(getrandom(got, MUCH, 0), MUCH);
    return result;
}

static int by_device(struct wait *self, struct timespec span) {
    static __thread unsigned char got[MUCH];
    (void)span;
    int result = 0;
    while (result == 0 && calls_now() < self->deadline)
        result = all_of(read(self->fd[0], got, MUCH), MUCH);
    return result;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    fill(sent, MUCH, 5);
    static struct wait all[] = {
        {.name = "write to a pipe", .wait = by_write, .wake = take},
        {.name = "writev to a pipe", .wait = by_writev, .wake = take},
        {.name = "write to a socket", .wait = by_write, .wake = take},
        {.name = "send", .wait = by_send, .wake = take},
        {.name = "sendmsg", .wait = by_sendmsg, .wake = take},
        {.name = "recv, MSG_WAITALL", .wait = by_recv, .wake = give},
        {.name = "recvmsg, MSG_WAITALL", .wait = by_recvmsg, .wake = give},
        {.name = "getrandom", .wait = by_getrandom, .absolute = 1},
        {.name = "read of /dev/urandom", .wait = by_device, .absolute = 1},
        {.name = "read of /dev/zero", .wait = by_device, .absolute = 1},
    };
    for (int i = 0; i < 7; i++)
        expect((i < 2 ? pipe(all[i].fd) : socketpair(AF_UNIX, SOCK_STREAM, 0, all[i].fd)) == 0, "pipe, socketpair");
    expect((all[8].fd[0] = open("/dev/urandom", O_RDONLY)) >= 0, "/dev/urandom");
    expect((all[9].fd[0] = open("/dev/zero", O_RDONLY)) >= 0, "/dev/zero");
    calls_wait(all, sizeof all / sizeof *all);
    SPOIL(1, all[0].abnormal++);
    calls_judge(all, sizeof all / sizeof *all);
}
