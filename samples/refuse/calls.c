// Calls of programs of which there is no image, since they have a child, a request of asynchronous I/O in flight, or a
// connection that is being made: the checkpoint is refused, and does not disturb them either. wait4, waitid;
// io_getevents; connect.
//#Flags: -pthread
//#Links: pie musl
//#Variants: child aio connect
#include "../calls/calls.h"
#include "../lib/aio.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

// A child that ends when it is told to.
static pid_t born(int *end) {
    int ends[2];
    expect(pipe(ends) == 0, "pipe");
    pid_t child = fork();
    if (child == 0) {
        char c;
        close(ends[1]);
        _exit(read(ends[0], &c, 1) == 1 ? 7 : 8);
    }
    close(ends[0]);
    *end = ends[1];
    return child;
}

static void end(struct wait *self) {
    expect(write(self->fd[1], "x", 1) == 1, "write");
    while (!self->ended)
        short_sleep();
    close(self->fd[1]);
    self->data = (void *)(long)born(&self->fd[1]);
}

static int by_wait4(struct wait *self, struct timespec span) {
    (void)span;
    int status;
    struct rusage usage;
    pid_t child = (pid_t)(long)self->data, got = wait4(child, &status, 0, &usage);
    return got == child && WEXITSTATUS(status) == 7 ? 0 : got < 0 ? errno : 1000;
}

static int by_waitid(struct wait *self, struct timespec span) {
    (void)span;
    siginfo_t info;
    int got = waitid(P_PID, (id_t)(long)self->data, &info, WEXITED);
    return got == 0 && info.si_status == 7 ? 0 : got < 0 ? errno : 1000;
}

static int by_getevents(struct wait *self, struct timespec span) {
    struct event event;
    long got = syscall(SYS_io_getevents, self->data, 1L, 1L, &event, &span);
    return got == 0 ? 0 : got < 0 ? errno : 1000;
}

// Nobody accepts, and there is room for one: what the others send is not answered.
static struct sockaddr_in deaf(void) {
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof name;
    int server = socket(AF_INET, SOCK_STREAM, 0);
    expect(bind(server, (struct sockaddr *)&name, sizeof name) == 0, "bind");
    expect(listen(server, 0) == 0, "listen");
    expect(getsockname(server, (struct sockaddr *)&name, &len) == 0, "getsockname");
    int first = socket(AF_INET, SOCK_STREAM, 0);
    expect(connect(first, (struct sockaddr *)&name, sizeof name) == 0, "connect");
    // One that is always being connected.
    int keeper = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    expect(connect(keeper, (struct sockaddr *)&name, sizeof name) < 0 && errno == EINPROGRESS, "connect at once");
    return name;
}

static int by_connect(struct wait *self, struct timespec span) {
    struct timeval wait = {span.tv_sec, span.tv_nsec / 1000};
    int caller = socket(AF_INET, SOCK_STREAM, 0);
    expect(setsockopt(caller, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) == 0, "SO_SNDTIMEO");
    int result = connect(caller, self->data, sizeof(struct sockaddr_in)) == 0 ? 1000 : errno;
    close(caller);
    return result == EINPROGRESS ? 0 : result;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    static struct wait children[] = {{.name = "wait4", .wait = by_wait4, .wake = end},
                                     {.name = "waitid", .wait = by_waitid, .wake = end}};
    static struct wait events[] = {{.name = "io_getevents", .wait = by_getevents}};
    if (argc > 2 && strcmp(argv[2], "aio") == 0) {
        int end[2];
        expect(pipe(end) == 0, "pipe");
        events[0].data = aio_setup(8);
        expect(aio_poll(events[0].data, end[0], 1) == 1, "poll");
        calls_wait(events, 1);
        SPOIL(1, events[0].abnormal++);
        calls_judge(events, 1);
    }
    if (argc > 2 && strcmp(argv[2], "connect") == 0) {
        static struct wait connects[] = {{.name = "connect, SO_SNDTIMEO", .wait = by_connect}};
        static struct sockaddr_in name;
        name = deaf();
        connects[0].data = &name;
        calls_wait(connects, 1);
        SPOIL(1, connects[0].abnormal++);
        calls_judge(connects, 1);
    }
    // One that always lives.
    int keeper;
    born(&keeper);
    for (int i = 0; i < 2; i++)
        children[i].data = (void *)(long)born(&children[i].fd[1]);
    calls_wait(children, 2);
    SPOIL(1, children[0].abnormal++);
    calls_judge(children, 2);
}
