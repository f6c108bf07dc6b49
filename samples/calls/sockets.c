// Sockets and pipes: read, recv, recvmmsg, accept and connect that wait for the other side, with SO_RCVTIMEO and
// without.
//#Flags: -pthread
//#Links: pie musl
#include "calls.h"
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

static void wake(struct wait *self) { expect(write(self->fd[1], "x", 1) == 1, "write"); }

static int one(ssize_t got) { return got == 1 ? 0 : got < 0 ? errno : 1000; }
static int ended(ssize_t got) { return got == -1 && errno == EAGAIN ? 0 : got < 0 ? errno : 1000; }

static int by_read(struct wait *self, struct timespec span) {
    (void)span;
    char c;
    return one(read(self->fd[0], &c, 1));
}

static int by_recv(struct wait *self, struct timespec span) {
    (void)span;
    char c;
    return one(recv(self->fd[0], &c, 1, 0));
}

static int by_recvmsg(struct wait *self, struct timespec span) {
    (void)span;
    char c;
    struct iovec part = {&c, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    return one(recvmsg(self->fd[0], &message, 0));
}

static int by_recvmmsg(struct wait *self, struct timespec span) {
    (void)span;
    char c[4];
    struct iovec part[4];
    struct mmsghdr all[4];
    memset(all, 0, sizeof all);
    for (int i = 0; i < 4; i++) {
        part[i] = (struct iovec){&c[i], 1};
        all[i].msg_hdr.msg_iov = &part[i];
        all[i].msg_hdr.msg_iovlen = 1;
    }
    int count = recvmmsg(self->fd[0], all, 4, 0, NULL);
    return count == 4 && c[3] == '3' && all[3].msg_len == 1 ? 0 : count < 0 ? errno : 1000 + count;
}
static void wake_four(struct wait *self) {
    // Some come at once, some later.
    for (int i = 0; i < 4; i++) {
        char c = '0' + (char)i;
        self->woken = calls_now();
        expect(send(self->fd[1], &c, 1, 0) == 1, "send");
        for (int j = 0; j < 15; j++)
            short_sleep();
    }
}

static int recv_time(struct wait *self, struct timespec span) {
    (void)span;
    char c;
    return ended(recv(self->fd[0], &c, 1, 0));
}

static int read_time(struct wait *self, struct timespec span) {
    (void)span;
    char c;
    return ended(read(self->fd[0], &c, 1));
}

static struct sockaddr_un name_of(struct wait *self) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s", (char *)self->data);
    return name;
}

static int by_accept(struct wait *self, struct timespec span) {
    (void)span;
    int got = accept(self->fd[0], NULL, NULL);
    return got < 0 ? errno : (close(got), 0);
}
static void wake_accept(struct wait *self) {
    struct sockaddr_un name = name_of(self);
    int caller = socket(AF_UNIX, SOCK_STREAM, 0);
    expect(connect(caller, (struct sockaddr *)&name, sizeof name) == 0, "connect");
    close(caller);
}

static int accept_time(struct wait *self, struct timespec span) {
    (void)span;
    return ended(accept(self->fd[0], NULL, NULL));
}

// Nobody accepts: one may wait at the socket, the next one waits until there is room.
static int by_connect(struct wait *self, struct timespec span) {
    (void)span;
    struct sockaddr_un name = name_of(self);
    int caller = socket(AF_UNIX, SOCK_STREAM, 0);
    int result = connect(caller, (struct sockaddr *)&name, sizeof name) == 0 ? 0 : errno;
    // The one before was accepted.
    close(self->fd[1]);
    self->fd[1] = caller;
    return result;
}
static void wake_connect(struct wait *self) {
    int got = accept(self->fd[0], NULL, NULL);
    expect(got >= 0, "accept");
    close(got);
}

static void listen_at(struct wait *self, int more) {
    struct sockaddr_un name = name_of(self);
    self->fd[0] = socket(AF_UNIX, SOCK_STREAM, 0);
    expect(bind(self->fd[0], (struct sockaddr *)&name, sizeof name) == 0, "bind");
    expect(listen(self->fd[0], more) == 0, "listen");
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    static struct wait all[] = {
        {.name = "read of a pipe", .wait = by_read, .wake = wake},
        {.name = "read of a socket", .wait = by_read, .wake = wake},
        {.name = "recv", .wait = by_recv, .wake = wake},
        {.name = "recvmsg", .wait = by_recvmsg, .wake = wake},
        {.name = "recv, SO_RCVTIMEO", .wait = recv_time},
        {.name = "read, SO_RCVTIMEO", .wait = read_time},
        {.name = "recv, event before SO_RCVTIMEO", .wait = by_recv, .wake = wake},
        {.name = "recvmmsg", .wait = by_recvmmsg, .wake = wake_four},
        {.name = "accept", .wait = by_accept, .wake = wake_accept, .data = "accept"},
        {.name = "accept, SO_RCVTIMEO", .wait = accept_time, .data = "accept_time"},
        {.name = "connect", .wait = by_connect, .wake = wake_connect, .data = "connect"},
    };
    struct timeval span = {0, SPAN / 1000}, long_span = {3600, 0};
    expect(pipe(all[0].fd) == 0, "pipe");
    for (int i = 1; i < 7; i++)
        expect(socketpair(AF_UNIX, SOCK_STREAM, 0, all[i].fd) == 0, "socketpair");
    expect(socketpair(AF_UNIX, SOCK_DGRAM, 0, all[7].fd) == 0, "socketpair");
    for (int i = 8; i < 11; i++)
        listen_at(&all[i], 0);
    for (int i = 4; i < 10; i++)
        if (i < 7 || i == 9)
            expect(setsockopt(all[i].fd[0], SOL_SOCKET, SO_RCVTIMEO, i == 6 ? &long_span : &span, sizeof span) == 0,
                   "SO_RCVTIMEO");
    struct sockaddr_un name = name_of(&all[10]);
    all[10].fd[1] = socket(AF_UNIX, SOCK_STREAM, 0);
    expect(connect(all[10].fd[1], (struct sockaddr *)&name, sizeof name) == 0, "connect");
    calls_wait(all, sizeof all / sizeof *all);
    SPOIL(1, all[0].abnormal++);
    calls_judge(all, sizeof all / sizeof *all);
}
