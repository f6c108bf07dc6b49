// inotify instances: what is watched, under which number, for what. Afterwards events come as before, and none
// that did not happen.
//#Variants: tree numbers far everything waiting twice
//#Flags: -pthread
#include "../lib/sample.h"
#include <poll.h>
#include <pthread.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>

static const char *kind;
static int is(const char *wanted) { return strcmp(kind, wanted) == 0; }

// The next event is this one; the name is empty for the watched file itself.
static void expect_event(int fd, int wd, unsigned mask, const char *name) {
    static char room[4096] __attribute__((aligned(8)));
    static size_t at, filled;
    if (at == filled) {
        ssize_t got = read(fd, room, sizeof room);
        expect(got > 0, "no event for %d", wd);
        at = 0, filled = (size_t)got;
    }
    struct inotify_event *event = (struct inotify_event *)(void *)(room + at);
    const char *said = event->len ? event->name : "";
    expect(event->wd == wd && event->mask == mask && strcmp(said, name) == 0,
           "watch %d mask %x name \"%s\" instead of %d, %x, \"%s\"", event->wd, event->mask, said, wd, mask, name);
    at += sizeof *event + event->len;
}

static void expect_none(int fd) {
    int count = -1;
    expect(ioctl(fd, FIONREAD, &count) == 0 && count == 0, "%d bytes of events", count);
}

static int watch(int fd, const char *path, unsigned mask) {
    int wd = inotify_add_watch(fd, path, mask);
    expect(wd > 0, "watch %s", path);
    return wd;
}

static void touch_file(const char *name) {
    int file = open(name, O_WRONLY | O_CREAT | O_APPEND, 0600);
    expect(file >= 0 && write(file, "x", 1) == 1, "write to %s", name);
    close(file);
}

static int instance;
static int got_one;
static void *wait_for_one(void *unused) {
    expect_event(instance, 1, IN_CREATE, "new");
    got_one = 1;
    return unused;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    kind = argc > 2 ? argv[2] : "tree";
    expect(mkdir("watched", 0700) == 0 && mkdir("watched/deep", 0700) == 0 && mkdir("watched/deep/er", 0700) == 0, "mkdir");
    make_file("watched/deep/er/file", "", 0);
    make_file("once", "", 0);
    expect(symlink("once", "link") == 0, "symlink");
    int fd = inotify_init1(is("waiting") ? IN_CLOEXEC : IN_NONBLOCK);
    instance = fd;
    expect(fd >= 0, "inotify_init");
    int directory = -1, file = -1, once = -1, link = -1, second = -1, held = -1;
    pthread_t thread;
    if (is("tree") || is("numbers")) {
        if (is("numbers")) {
            // Numbers are not given twice.
            for (int i = 0; i < 700; i++)
                expect(inotify_rm_watch(fd, watch(fd, "once", IN_ATTRIB)) == 0, "rm_watch");
            static char room[20000];
            while (read(fd, room, sizeof room) > 0)
                ;
        }
        directory = watch(fd, "watched/deep/er", IN_CREATE | IN_DELETE | IN_MOVE | IN_EXCL_UNLINK);
        if (is("numbers"))
            expect(inotify_rm_watch(fd, watch(fd, "watched", IN_CREATE)) == 0 && directory == 701, "numbers");
        file = watch(fd, "watched/deep/er/file", IN_MODIFY | IN_CLOSE_WRITE);
        once = watch(fd, "once", IN_MODIFY | IN_ONESHOT);
        link = watch(fd, "link", IN_ATTRIB | IN_DONT_FOLLOW);
        char room[64];
        while (read(fd, room, sizeof room) > 0)
            ;
    } else if (is("far")) {
        directory = watch(fd, "/usr/share", IN_CREATE | IN_ONLYDIR);
        file = watch(fd, "watched", IN_CREATE);
    } else if (is("everything")) {
        // Reading a directory is an event, too: nothing may be looked for by reading. It is known from an open file.
        make_file("watched/deep/held", "x", 1);
        held = open("watched/deep/held", O_RDONLY);
        directory = watch(fd, "watched/deep", IN_ALL_EVENTS);
    } else {
        directory = watch(fd, "watched", IN_CREATE);
        if (is("waiting"))
            expect(pthread_create(&thread, NULL, wait_for_one, NULL) == 0, "thread");
        if (is("twice")) {
            second = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
            expect(watch(second, "watched", IN_DELETE) == 1, "second");
        }
    }
    int dupped = dup(fd);
    ready();
    wait_for_go();
    SPOIL(1, inotify_rm_watch(fd, directory); dup2(open("/dev/null", O_RDWR), second < 0 ? 100 : second));

    if (!is("waiting"))
        expect_none(fd);
    if (is("tree") || is("numbers")) {
        touch_file("watched/deep/er/new");
        expect_event(fd, directory, IN_CREATE, "new");
        touch_file("watched/deep/er/file");
        expect_event(fd, file, IN_MODIFY, "");
        expect_event(fd, file, IN_CLOSE_WRITE, "");
        touch_file("once");
        expect_event(fd, once, IN_MODIFY, "");
        expect_event(fd, once, IN_IGNORED, "");
        expect(utimensat(AT_FDCWD, "link", NULL, AT_SYMLINK_NOFOLLOW) == 0, "utimensat");
        expect_event(fd, link, IN_ATTRIB, "");
        expect(rename("watched/deep/er/new", "watched/deep/er/newer") == 0, "rename");
        expect_event(fd, directory, IN_MOVED_FROM, "new");
        expect_event(fd, directory, IN_MOVED_TO, "newer");
        expect(inotify_rm_watch(dupped, file) == 0, "rm_watch");
        expect_event(fd, file, IN_IGNORED, "");
    }
    if (is("far")) {
        touch_file("watched/new");
        expect_event(fd, file, IN_CREATE, "new");
        expect(inotify_rm_watch(fd, directory) == 0, "rm_watch");
        expect_event(fd, directory, IN_IGNORED, "");
    }
    if (is("everything")) {
        expect(mkdir("watched/deep/new", 0700) == 0, "mkdir");
        expect_event(fd, directory, IN_CREATE | IN_ISDIR, "new");
        char byte;
        expect(read(held, &byte, 1) == 1, "read");
        expect_event(fd, directory, IN_ACCESS, "held");
    }
    if (is("waiting") || is("twice")) {
        touch_file("watched/new");
        if (is("waiting"))
            expect(pthread_join(thread, NULL) == 0 && got_one, "join");
        else
            expect_event(fd, directory, IN_CREATE, "new");
    }
    if (is("twice")) {
        expect(unlink("watched/new") == 0, "unlink");
        expect_event(second, 1, IN_DELETE, "new");
        expect(fcntl(second, F_GETFD) == FD_CLOEXEC && (fcntl(second, F_GETFL) & O_NONBLOCK), "flags");
    }
    expect_none(fd);
    pass();
}
