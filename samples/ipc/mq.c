// POSIX message queues: "named" belongs to the system and is opened again; "unlinked" has lost its name, and its
// messages travel with their priorities and order; "full", with "empty" messages among them; "ends": one to read and
// one to write, of the same queue, which another two descriptors share; "closed": of a mode that lets nobody open it;
// "taken": its old name is another's by now; "waiting": a thread waits for a message.
//#Flags: -pthread
//#Variants: named unlinked full ends closed taken waiting
#include "../lib/sample.h"
#include <pthread.h>

// The kernel's own calls: not all C libraries hand everything on.
struct attributes {
    long flags, messages, bytes, now, unused[4];
};

static const char *kind;
static int is(const char *name) { return strcmp(kind, name) == 0; }
static char name[32];

static int open_queue(int flags, int mode) {
    struct attributes shape = {0, 5, 64, 0, {0}};
    return (int)syscall(SYS_mq_open, name, flags, mode, &shape);
}

static long send_text(int queue, const char *text, unsigned priority) {
    return syscall(SYS_mq_timedsend, queue, text, strlen(text), priority, NULL);
}

static void next_is(int queue, const char *text, unsigned priority) {
    char got[64];
    unsigned rank = 99;
    struct timespec none = {0, 0};
    long length = syscall(SYS_mq_timedreceive, queue, got, sizeof got, &rank, &none);
    expect(length == (long)strlen(text) && memcmp(got, text, (size_t)length) == 0, "%ld bytes instead of \"%s\"", length,
           text);
    expect(rank == priority, "priority %u of \"%s\"", rank, text);
}

static void *wait_for_message(void *argument) {
    char got[64];
    unsigned rank;
    long length = syscall(SYS_mq_timedreceive, *(int *)argument, got, sizeof got, &rank, NULL);
    return (void *)(length == 4 && memcmp(got, "late", 4) == 0 ? 1L : 0L);
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    kind = argc > 2 ? argv[2] : "named";
    snprintf(name, sizeof name, "ckpt-mq-%d-%s", (int)getpid(), kind);
    int queue = open_queue(O_RDWR | O_CREAT | O_EXCL, is("closed") ? 0 : 0640), other = -1, copy = -1;
    expect(queue >= 0, "mq_open");
    if (is("ends")) {
        copy = open_queue(O_RDONLY | O_NONBLOCK, 0);
        close(queue);
        queue = copy;
        other = open_queue(O_WRONLY, 0);
        copy = dup(other);
        expect(queue >= 0 && other >= 0 && copy >= 0, "mq_open again");
    }
    if (!is("named"))
        expect(syscall(SYS_mq_unlink, name) == 0, "mq_unlink");
    int into = is("ends") ? other : queue;
    pthread_t thread;
    if (is("waiting")) {
        pthread_create(&thread, NULL, wait_for_message, &queue);
    } else {
        expect(send_text(into, "second", 3) == 0, "send");
        expect(send_text(into, "first", 70) == 0, "send");
        expect(send_text(into, "third", 3) == 0, "send");
        if (is("full"))
            expect(send_text(into, "", 3) == 0 && send_text(into, "last", 0) == 0, "send");
    }
    int stranger = is("taken") ? open_queue(O_RDWR | O_CREAT | O_EXCL, 0600) : -1;
    if (is("taken"))
        expect(stranger >= 0 && send_text(stranger, "stranger", 1) == 0, "another queue of the name");

    ready();
    wait_for_go();
    char drop[64];
    struct timespec none = {0, 0};
    SPOIL(1, close(queue));
    SPOIL(2, if (is("full")) syscall(SYS_mq_timedreceive, queue, drop, sizeof drop, NULL, &none);
          else send_text(into, "fourth", 80));
    SPOIL(3, fchmod(queue, 0444));

    struct stat about;
    expect(fstat(queue, &about) == 0, "the queue");
    expect((about.st_mode & 0777) == (is("closed") ? 0 : 0640), "mode %o", about.st_mode);
    expect(about.st_nlink == (is("named") ? 1 : 0), "names");
    struct attributes now = {0};
    expect(syscall(SYS_mq_getsetattr, queue, NULL, &now) == 0, "attributes");
    expect(now.messages == 5 && now.bytes == 64, "%ld messages of %ld bytes", now.messages, now.bytes);
    expect(now.flags == (is("ends") ? O_NONBLOCK : 0), "flags %lo", now.flags);
    if (is("waiting")) {
        expect(now.now == 0, "%ld messages", now.now);
        void *got = NULL;
        expect(send_text(into, "late", 0) == 0, "send");
        pthread_join(thread, &got);
        expect(got, "the message");
        pass();
    }
    expect(now.now == (is("full") ? 5 : 3), "%ld messages", now.now);
    next_is(queue, "first", 70);
    next_is(queue, "second", 3);
    if (is("ends")) {
        expect(send_text(queue, "no", 0) == -1 && errno == EBADF, "an end to read");
        expect(syscall(SYS_mq_timedreceive, other, drop, sizeof drop, NULL, &none) == -1 && errno == EBADF, "to write");
        expect(send_text(copy, "copy", 9) == 0, "the copy");
        next_is(queue, "copy", 9);
    }
    next_is(queue, "third", 3);
    if (is("full")) {
        next_is(queue, "", 3);
        next_is(queue, "last", 0);
    }
    if (is("taken")) {
        next_is(stranger, "stranger", 1);
        expect(fstat(stranger, &about) == 0 && about.st_nlink == 1, "the other queue");
        expect(syscall(SYS_mq_unlink, name) == 0, "mq_unlink");
    }
    if (is("named"))
        expect(syscall(SYS_mq_unlink, name) == 0, "mq_unlink");
    pass();
}
