// Pipes of the program to itself, at their edges: full ones of all sizes, packets, ends opened a second time
// through /proc, a signal when there is something to read, one end closed, one in the place of standard input.
#include "../lib/sample.h"
#include <poll.h>
#include <sys/ioctl.h>

static int unread(int fd) {
    int count = -1;
    ioctl(fd, FIONREAD, &count);
    return count;
}

static void expect_bytes(int fd, const char *bytes, size_t room) {
    char got[8192];
    memset(got, 0, sizeof got);
    ssize_t n = read(fd, got, room);
    expect(n == (ssize_t)strlen(bytes) && memcmp(got, bytes, (size_t)n) == 0, "read %zd: \"%s\" instead of \"%s\"", n,
           got, bytes);
}

static int same(int one, int other) {
    return syscall(SYS_kcmp, getpid(), getpid(), 0, one, other) == 0;
}

// Full to the last byte that goes in without waiting; in pages of which the first is half read.
static long make_full(int ends[2], int size) {
    expect(pipe2(ends, O_NONBLOCK) == 0, "pipe");
    if (size)
        expect(fcntl(ends[1], F_SETPIPE_SZ, size) == size, "size %d", size);
    static uint64_t words[PAGE / 8];
    long count = 0;
    fill(words, PAGE, 7);
    while (write(ends[1], words, PAGE) == PAGE)
        count++;
    expect(read(ends[0], words, 1000) == 1000, "read");
    return count;
}

static void expect_full(const int ends[2], int size, long count) {
    static unsigned char wanted[PAGE], got[PAGE];
    expect(fcntl(ends[0], F_GETPIPE_SZ) == size, "size is %d", fcntl(ends[0], F_GETPIPE_SZ));
    expect(unread(ends[0]) == count * (long)PAGE - 1000, "%d unread", unread(ends[0]));
    fill(wanted, PAGE, 7);
    expect(read(ends[0], got, PAGE - 1000) == (long)PAGE - 1000, "read");
    expect(memcmp(wanted + 1000, got, PAGE - 1000) == 0, "first page");
    for (long page = 1; page < count; page++) {
        expect(read(ends[0], got, PAGE) == (long)PAGE, "read page %ld", page);
        expect(memcmp(wanted, got, PAGE) == 0, "page %ld", page);
    }
    expect(read(ends[0], got, 1) == -1 && errno == EAGAIN, "more than there was");
}

// Stream bytes and packets in one pipe. A packet joins the stream before it if there is room in the stream's
// last page, and is a packet no more; a page of its own does not, nor what follows a page that was filled.
static void make_packets(int ends[2]) {
    static char page[PAGE + 1];
    memset(page, 'p', PAGE);
    expect(pipe(ends) == 0, "pipe");
    expect(write(ends[1], page, PAGE - 90) == PAGE - 90 && write(ends[1], "stream", 6) == 6, "write");
    expect(read(ends[0], page, PAGE - 90) == PAGE - 90, "read");
    fcntl(ends[1], F_SETFL, O_DIRECT);
    memset(page, 'q', PAGE);
    expect(write(ends[1], page, 100) == 100 && write(ends[1], "2", 1) == 1, "write");
    expect(write(ends[1], page, PAGE) == PAGE && write(ends[1], "fourth", 6) == 6, "write");
    fcntl(ends[1], F_SETFL, 0);
    expect(write(ends[1], "bytes", 5) == 5, "write");
    fcntl(ends[1], F_SETFL, O_DIRECT | O_NONBLOCK);
    expect(write(ends[1], page, PAGE) == PAGE && write(ends[1], "6", 1) == 1, "write");
}

static void expect_packets(const int ends[2]) {
    static char page[PAGE + 1];
    memset(page, 'q', PAGE);
    expect(fcntl(ends[1], F_GETFL) == (O_WRONLY | O_DIRECT | O_NONBLOCK), "%o", fcntl(ends[1], F_GETFL));
    // A short read takes nothing away from a stream, but the rest from a packet.
    expect_bytes(ends[0], "stre", 4);
    expect_bytes(ends[0], "am", 2);
    expect_bytes(ends[0], "qqq", 3);
    expect_bytes(ends[0], "2", 100);
    expect_bytes(ends[0], page, 8000);
    expect_bytes(ends[0], "fourth", 100);
    expect_bytes(ends[0], "byt", 3);
    expect_bytes(ends[0], "es", 2);
    expect_bytes(ends[0], page, 8000);
    expect_bytes(ends[0], "6", 100);
    expect(write(ends[1], "seven", 5) == 5 && write(ends[1], "8", 1) == 1, "write");
    expect_bytes(ends[0], "seven", 100);
    expect_bytes(ends[0], "8", 100);
}

static volatile int signals;
static void on_signal(int number) { signals += number == SIGUSR1; }

static short state_of(int fd) {
    struct pollfd look = {.fd = fd, .events = POLLIN | POLLOUT};
    expect(poll(&look, 1, 0) >= 0, "poll");
    return look.revents;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    int empty[2], ready_signal[2], small[2], usual[2], large[2], packets[2], singles[2], twice[2], orphan[2], widow[2], mute[2];
    expect(pipe2(empty, O_CLOEXEC) == 0, "pipe");
    long of_small = make_full(small, 4096), of_usual = make_full(usual, 0), of_large = make_full(large, 1 << 20);
    make_packets(packets);
    // As many packets as there is room for.
    expect(pipe2(singles, O_DIRECT | O_NONBLOCK) == 0, "pipe");
    long of_singles = 0;
    while (write(singles[1], "a", 1) == 1)
        of_singles++;
    // Each end twice: dup'ed, and opened anew.
    expect(pipe(twice) == 0, "pipe");
    int read_too = fcntl(twice[0], F_DUPFD_CLOEXEC, 300), write_too = dup2(twice[1], 90);
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", twice[0]);
    int read_anew = open(name, O_RDONLY | O_NONBLOCK), write_anew = open(name, O_WRONLY), both = open(name, O_RDWR);
    expect(read_too == 300 && write_too == 90 && read_anew >= 0 && write_anew >= 0 && both >= 0, "twice");
    expect(write(both, "shared", 6) == 6, "write");
    expect(pipe(orphan) == 0 && write(orphan[1], "left over", 9) == 9 && close(orphan[1]) == 0, "orphan");
    expect(pipe(widow) == 0 && write(widow[1], "lost", 4) == 4 && close(widow[0]) == 0, "widow");
    // Tells by a signal that there is something to read, but only what comes later.
    signal(SIGUSR1, on_signal);
    expect(pipe(ready_signal) == 0 && write(ready_signal[1], "old", 3) == 3, "pipe");
    expect(fcntl(ready_signal[0], F_SETOWN, getpid()) == 0 && fcntl(ready_signal[0], F_SETSIG, SIGUSR1) == 0, "owner");
    expect(fcntl(ready_signal[0], F_SETFL, O_ASYNC) == 0, "O_ASYNC");
    // A pipe in the place of standard input.
    expect(pipe(mute) == 0 && dup2(mute[0], 0) == 0 && close(mute[0]) == 0, "mute");
    expect(write(mute[1], "input", 5) == 5, "write");
    signal(SIGPIPE, SIG_IGN);

    ready();
    wait_for_go();
    SPOIL(1, write(empty[1], "x", 1));
    SPOIL(2, read(usual[0], name, 1));
    SPOIL(3, fcntl(large[1], F_SETPIPE_SZ, 2 << 20); fcntl(small[1], F_SETPIPE_SZ, 8192));
    SPOIL(4, read(packets[0], name, 7));
    SPOIL(5, close(widow[1]); widow[1] = empty[1]);
    SPOIL(6, read(orphan[0], name, 9));
    SPOIL(7, fcntl(empty[0], F_SETFD, 0));
    SPOIL(8, dup2(both, write_too));
    SPOIL(10, write(ready_signal[1], "x", 1));
    SPOIL(11, fcntl(ready_signal[0], F_SETFL, 0));
    SPOIL(9, fcntl(read_too, F_SETFL, O_NONBLOCK));

    expect(fcntl(empty[0], F_GETFD) == FD_CLOEXEC && fcntl(empty[1], F_GETFD) == FD_CLOEXEC, "close-on-exec");
    expect(unread(empty[0]) == 0, "%d unread", unread(empty[0]));
    expect(write(empty[1], "now", 3) == 3, "write");
    expect_bytes(empty[0], "now", 100);
    expect_full(small, 4096, of_small);
    expect_full(usual, 65536, of_usual);
    expect_full(large, 1 << 20, of_large);
    expect_packets(packets);
    expect(write(singles[1], "b", 1) == -1 && errno == EAGAIN, "room for one more");
    for (long i = 0; i < of_singles; i++)
        expect_bytes(singles[0], "a", 100);
    expect(read(singles[0], name, 1) == -1 && errno == EAGAIN, "one more");

    expect(same(twice[0], read_too) && same(twice[1], write_too), "dup'ed ends");
    expect(!same(twice[0], read_anew) && !same(twice[1], write_anew) && !same(write_anew, both), "opened anew");
    expect(fcntl(read_too, F_GETFD) == FD_CLOEXEC && fcntl(write_too, F_GETFD) == 0, "close-on-exec");
    expect((fcntl(read_anew, F_GETFL) & (O_ACCMODE | O_NONBLOCK)) == O_NONBLOCK, "%o", fcntl(read_anew, F_GETFL));
    expect((fcntl(twice[0], F_GETFL) & (O_ACCMODE | O_NONBLOCK)) == 0, "%o", fcntl(twice[0], F_GETFL));
    expect((fcntl(both, F_GETFL) & O_ACCMODE) == O_RDWR, "%o", fcntl(both, F_GETFL));
    expect(write(write_anew, " pipe", 5) == 5, "write");
    expect_bytes(read_anew, "shared pipe", 100);
    expect(read(read_anew, name, 1) == -1 && errno == EAGAIN, "end of a pipe that is open");

    expect(signals == 0, "%d signals", signals);
    expect_bytes(ready_signal[0], "old", 100);
    expect(write(ready_signal[1], "new", 3) == 3, "write");
    expect(signals == 1, "%d signals", signals);
    expect_bytes(ready_signal[0], "new", 100);

    expect(state_of(orphan[0]) == (POLLIN | POLLHUP), "%x", state_of(orphan[0]));
    expect_bytes(orphan[0], "left over", 100);
    expect_bytes(orphan[0], "", 100);
    expect(state_of(widow[1]) & POLLERR, "%x", state_of(widow[1]));
    expect(write(widow[1], "x", 1) == -1 && errno == EPIPE, "somebody reads");
    expect_bytes(0, "input", 100);
    expect(write(mute[1], "more", 4) == 4, "write");
    close(mute[1]);
    expect_bytes(0, "more", 100);
    expect_bytes(0, "", 100);
    pass();
}
