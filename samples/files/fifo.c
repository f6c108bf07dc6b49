// FIFOs that the program has opened: which ends, what is unread, flags, whether readers see a hang-up, and that
// the name still leads to them.
//#Variants: ends both unwritten hung_up no_reader nameless renamed packets full opening reading
//#Flags: -pthread
#include "../lib/sample.h"
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

static const char *kind, *name = "fifo";
static int is(const char *wanted) { return strcmp(kind, wanted) == 0; }

static int unread(int fd) {
    int count = -1;
    ioctl(fd, FIONREAD, &count);
    return count;
}

static short events(int fd) {
    struct pollfd one = {.fd = fd, .events = POLLIN};
    expect(poll(&one, 1, 0) >= 0, "poll");
    return one.revents;
}

static void expect_text(int fd, const char *text) {
    char got[100];
    ssize_t n = read(fd, got, sizeof got);
    expect(n == (ssize_t)strlen(text) && memcmp(got, text, (size_t)n) == 0, "%zd bytes instead of \"%s\"", n, text);
}

// Another process comes by the name, writes and goes.
static void another_writes(const char *text) {
    pid_t child = fork();
    if (child == 0) {
        int fd = open(name, O_WRONLY | O_NONBLOCK);
        _exit(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : 1);
    }
    int status = -1;
    expect(waitpid(child, &status, 0) == child && status == 0, "nobody can write to it");
}

static int opened = -1;
static char got[10];
static void *wait_at_it(void *from) {
    if (from == NULL)
        opened = open(name, O_RDONLY);
    int fd = from ? *(int *)from : opened;
    expect(read(fd, got, sizeof got) == 5, "read");
    return NULL;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    kind = argc > 2 ? argv[2] : "ends";
    signal(SIGPIPE, SIG_IGN);
    umask(0);
    expect(mkfifo(name, 0640) == 0, "mkfifo");
    int reader = -1, writer = -1, dupped = -1, full = 0;
    pthread_t thread;
    if (is("both")) {
        reader = writer = open(name, O_RDWR | O_CLOEXEC);
    } else if (!is("opening")) {
        // One that is made again does not show O_NOFOLLOW.
        reader = open(name, O_RDONLY | O_NONBLOCK | (is("nameless") ? 0 : O_NOFOLLOW));
        if (!is("unwritten"))
            writer = open(name, O_WRONLY | O_APPEND);
        expect(reader >= 0 && (writer >= 0) == !is("unwritten"), "open");
    }
    if (is("ends") || is("both") || is("hung_up") || is("nameless") || is("renamed")) {
        expect(write(writer, "one two three", 13) == 13, "write");
        expect_text(reader, "one two three");
        expect(write(writer, "four five", 9) == 9, "write");
        char four[5];
        expect(read(reader, four, 5) == 5, "read");
    }
    if (is("ends"))
        dupped = dup(reader);
    if (is("hung_up"))
        close(writer);
    if (is("no_reader"))
        close(reader);
    if (is("nameless"))
        unlink(name);
    if (is("renamed")) {
        expect(rename(name, "other name") == 0, "rename");
        name = "other name";
    }
    if (is("packets")) {
        expect(fcntl(writer, F_SETFL, O_DIRECT) == 0, "O_DIRECT");
        expect(write(writer, "first", 5) == 5 && write(writer, "second", 6) == 6, "write");
    }
    if (is("full")) {
        expect(fcntl(writer, F_SETPIPE_SZ, 16384) == 16384 && fcntl(writer, F_SETFL, O_NONBLOCK) == 0, "size");
        static char block[PAGE];
        ssize_t n;
        while ((n = write(writer, block, sizeof block)) > 0)
            full += (int)n;
        expect(errno == EAGAIN && full == 16384, "full");
    }
    if (is("opening"))
        expect(pthread_create(&thread, NULL, wait_at_it, NULL) == 0, "thread");
    if (is("reading")) {
        fcntl(reader, F_SETFL, 0);
        expect(pthread_create(&thread, NULL, wait_at_it, &reader) == 0, "thread");
    }
    struct stat before, after, named;
    expect(reader < 0 || is("no_reader") || fstat(reader, &before) == 0, "fstat");
    ready();
    wait_for_go();
    SPOIL(1, int other = open("/dev/null", O_RDWR); dup2(other, reader < 0 ? 100 : reader); dup2(other, writer < 0 ? 101 : writer);
          if (is("opening")) exit(1));

    if (reader >= 0 && !is("no_reader")) {
        expect(fstat(reader, &after) == 0 && S_ISFIFO(after.st_mode) && after.st_mode == before.st_mode, "it is none");
        expect(after.st_nlink == before.st_nlink, "%d names", (int)after.st_nlink);
        if (!is("nameless"))
            expect(stat(name, &named) == 0 && named.st_ino == after.st_ino && after.st_ino == before.st_ino, "inode");
        int flags = is("both") ? O_RDWR : is("reading") ? O_RDONLY : O_RDONLY | O_NONBLOCK;
        flags |= is("both") || is("nameless") ? 0 : O_NOFOLLOW;
        int now = fcntl(reader, F_GETFL) & ~0100000;
        expect(now == flags, "flags %o", now);
    }
    if (is("ends")) {
        expect((fcntl(writer, F_GETFL) & ~0100000) == (O_WRONLY | O_APPEND), "flags");
        expect_text(dupped, "five");
        expect(events(reader) == 0, "it shows %x", events(reader));
        close(writer);
        expect(events(reader) == POLLHUP && read(dupped, got, 1) == 0, "the writer is open elsewhere");
    }
    if (is("both")) {
        expect(fcntl(reader, F_GETFD) == FD_CLOEXEC, "close-on-exec");
        expect_text(reader, "five");
        another_writes("six");
        expect_text(reader, "six");
    }
    if (is("unwritten")) {
        expect(events(reader) == 0, "it shows %x", events(reader));
        another_writes("first");
        expect(events(reader) == (POLLIN | POLLHUP), "it shows %x", events(reader));
        expect_text(reader, "first");
    }
    if (is("hung_up")) {
        expect(events(reader) == (POLLIN | POLLHUP), "it shows %x", events(reader));
        expect_text(reader, "five");
        expect(read(reader, got, 1) == 0, "end of file");
    }
    if (is("no_reader")) {
        expect(write(writer, "x", 1) < 0 && errno == EPIPE, "there is a reader");
        expect((fcntl(writer, F_GETFL) & ~0100000) == (O_WRONLY | O_APPEND), "flags");
        int again = open(name, O_RDONLY | O_NONBLOCK);
        expect(write(writer, "again", 5) == 5, "write");
        expect_text(again, "again");
    }
    if (is("nameless") || is("renamed")) {
        expect_text(reader, "five");
        expect(write(writer, "six", 3) == 3, "write");
        expect_text(reader, "six");
        expect(access("fifo", F_OK) != 0, "it has a name");
    }
    if (is("packets")) {
        expect_text(reader, "first");
        expect_text(reader, "second");
    }
    if (is("full")) {
        expect(fcntl(reader, F_GETPIPE_SZ) == 16384 && unread(reader) == full, "%d unread", unread(reader));
        expect(write(writer, "x", 1) < 0 && errno == EAGAIN, "there is room");
    }
    if (is("opening") || is("reading")) {
        if (is("opening"))
            writer = open(name, O_WRONLY);
        expect(write(writer, "hello", 5) == 5, "write");
        expect(pthread_join(thread, NULL) == 0 && memcmp(got, "hello", 5) == 0, "join");
    }
    pass();
}
