// Events of inotify that nobody has read, given up with the user's leave: the restored program is told that some were
// lost, once and by each instance that had any, and of all that happens then. The program that goes on reads them.
//#Variants: watched forgotten polled
//#Allow: inotify
#include "../lib/sample.h"
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>

static void expect_event(int fd, int wd, unsigned mask) {
    char room[sizeof(struct inotify_event) + 16] __attribute__((aligned(8)));
    struct inotify_event *event = (struct inotify_event *)(void *)room;
    ssize_t got = read(fd, room, sizeof room);
    expect(got >= (ssize_t)sizeof *event && event->wd == wd && event->mask == mask, "%zd bytes: watch %d mask %x instead of %d, %x", got,
           event->wd, event->mask, wd, mask);
}

static int waiting(int fd) {
    int bytes = -1;
    expect(ioctl(fd, FIONREAD, &bytes) == 0, "FIONREAD");
    return bytes;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *kind = argc > 2 ? argv[2] : "watched";
    int fd = inotify_init1(IN_NONBLOCK), empty = inotify_init1(IN_NONBLOCK), epoll = epoll_create1(0);
    expect(mkdir("watched", 0700) == 0, "mkdir");
    expect(inotify_add_watch(fd, "watched", IN_CREATE | IN_DELETE) == 1, "watch");
    expect(inotify_add_watch(empty, "watched", IN_DELETE) == 1, "another watch");
    expect(mkdir("watched/one", 0700) == 0 && mkdir("watched/two", 0700) == 0, "mkdir");
    int forgotten = strcmp(kind, "forgotten") == 0, polled = strcmp(kind, "polled") == 0;
    if (forgotten)
        expect(inotify_rm_watch(fd, 1) == 0, "rm_watch");
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    expect(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
    int bytes = waiting(fd);
    ready();
    wait_for_go();
    SPOIL(1, expect_event(fd, 1, IN_CREATE | IN_ISDIR));
    SPOIL(2, mkdir("watched/three", 0700); rmdir("watched/three"));

    if (polled)
        expect(epoll_wait(epoll, &event, 1, 0) == 1 && event.data.fd == fd, "nothing is ready");
    if (was_restored()) {
        expect(waiting(fd) == sizeof(struct inotify_event), "%d bytes wait", waiting(fd));
        expect_event(fd, -1, IN_Q_OVERFLOW);
    } else {
        expect(waiting(fd) == bytes, "%d bytes wait instead of %d", waiting(fd), bytes);
        expect_event(fd, 1, IN_CREATE | IN_ISDIR);
        expect_event(fd, 1, IN_CREATE | IN_ISDIR);
        if (forgotten)
            expect_event(fd, 1, IN_IGNORED);
    }
    expect(waiting(fd) == 0 && waiting(empty) == 0, "more events: %d and %d bytes", waiting(fd), waiting(empty));
    expect(epoll_wait(epoll, &event, 1, 0) == 0, "something is ready");
    int again = forgotten ? inotify_add_watch(fd, "watched", IN_DELETE) : 1;
    expect(rmdir("watched/one") == 0, "rmdir");
    expect_event(fd, again, IN_DELETE | IN_ISDIR);
    expect_event(empty, 1, IN_DELETE | IN_ISDIR);
    expect(waiting(fd) == 0, "%d bytes wait", waiting(fd));
    pass();
}
