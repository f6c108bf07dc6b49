// Threads with descriptors of their own (unshare, CLONE_FILES): the same numbers lead to other files, what they opened
// nobody else has, and what was open before is one description in both. One has closed all.
//#Flags: -pthread
//#Links: pie nopie static staticpie musl
//#Generations: 3
#include "../lib/sample.h"
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static _Atomic int made, go;
static int shared, other, ends[2];

static void until_go(void) {
    made++;
    while (!go)
        short_sleep();
}

static void expect_text(int fd, const char *wanted) {
    char text[16] = "";
    size_t length = strlen(wanted);
    expect(read(fd, text, length) == (ssize_t)length && strcmp(text, wanted) == 0, "%s instead of %s", text, wanted);
}

static void *run(void *argument) {
    expect(unshare(CLONE_FILES) == 0, "unshare");
    // Another file under a number that the others have, and one that only they have.
    close(other);
    int own = open("own", O_RDWR | O_CREAT | O_TRUNC, 0600), two[2], both[2], count = eventfd(7, 0);
    expect(own == other && write(own, "of my own", 9) == 9 && lseek(own, 3, SEEK_SET) == 3, "own");
    close(ends[1]);
    expect(pipe2(two, O_CLOEXEC) == 0 && write(two[1], "in a pipe", 9) == 9, "pipe");
    expect(dup2(two[0], 900) == 900, "dup2");
    expect(socketpair(AF_UNIX, SOCK_STREAM, 0, both) == 0 && write(both[0], "sent", 4) == 4, "socketpair");
    int deleted = open("deleted", O_RDWR | O_CREAT, 0600);
    expect(deleted >= 0 && write(deleted, "deleted", 7) == 7 && unlink("deleted") == 0, "deleted");
    until_go();
    SPOIL(1, dup2(shared, own));
    SPOIL(2, close(900));
    expect_text(own, "my own");
    expect_text(900, "in ");
    expect_text(two[0], "a pipe");
    expect(fcntl(two[0], F_GETFD) == FD_CLOEXEC && fcntl(900, F_GETFD) == 0, "flags");
    expect_text(both[1], "sent");
    uint64_t value = 0;
    expect(read(count, &value, 8) == 8 && value == 7, "eventfd");
    expect(lseek(deleted, 0, SEEK_SET) == 0, "deleted");
    expect_text(deleted, "deleted");
    expect(fcntl(ends[1], F_GETFD) == -1 || ends[1] == two[0] || ends[1] == two[1], "closed");
    // Both read on in one description.
    expect_text(shared, "cd");
    made++;
    while (go < 2)
        short_sleep();
    expect_text(shared, "gh");
    close(shared);
    return argument;
}

static void *run_without(void *argument) {
    expect(unshare(CLONE_FILES) == 0 && syscall(SYS_close_range, 0U, ~0U, 0) == 0, "close_range");
    until_go();
    struct stat stat;
    SPOIL(3, open("/dev/null", O_RDONLY));
    for (int fd = 0; fd < 1000; fd++)
        if (fstat(fd, &stat) == 0)
            return NULL;
    expect(open("/dev/null", O_RDONLY) == 0, "the first number");
    return argument;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    make_file("text", "abcdefgh", 8);
    shared = open("text", O_RDONLY);
    other = open("/dev/null", O_RDONLY);
    expect(shared >= 0 && other >= 0 && pipe(ends) == 0 && lseek(shared, 2, SEEK_SET) == 2, "open");
    pthread_t first, second;
    expect(pthread_create(&first, NULL, run, &made) == 0, "pthread_create");
    expect(pthread_create(&second, NULL, run_without, &made) == 0, "pthread_create");
    while (made < 2)
        short_sleep();
    ready();
    wait_for_go();
    char byte;
    expect(fcntl(900, F_GETFD) == -1, "another's descriptor");
    expect(read(other, &byte, 1) == 0, "/dev/null");
    expect(write(ends[1], "x", 1) == 1 && read(ends[0], &byte, 1) == 1, "the pipe");
    go = 1;
    while (made < 3)
        short_sleep();
    expect_text(shared, "ef");
    go = 2;
    void *result = NULL;
    expect(pthread_join(first, &result) == 0 && result == &made, "first");
    expect(pthread_join(second, &result) == 0 && result == &made, "a descriptor where there was none");
    expect(lseek(shared, 0, SEEK_CUR) == 8, "what another has closed");
    pass();
}
