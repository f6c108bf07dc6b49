// A pipe of the program's own, both ends in its hands: what is in it, its size, flags and dup'ed ends.
#include "../lib/sample.h"

int main(int argc, char **argv) {
    sample_start(argc, argv);
    int first[2], second[2], empty[2];
    expect(pipe2(first, O_CLOEXEC) == 0 && pipe2(second, O_NONBLOCK) == 0 && pipe(empty) == 0, "pipe");
    int capacity = fcntl(second[0], F_SETPIPE_SZ, 16384);
    expect(capacity == 16384, "F_SETPIPE_SZ");
    static unsigned char content[30000], now[30000];
    fill(content, sizeof content, 1);
    expect(write(first[1], content, sizeof content) == sizeof content, "write");
    expect(read(first[0], now, 1000) == 1000, "read");
    ssize_t filled = 0;
    while (write(second[1], content, 1000) > 0)
        filled += 1000;
    expect(errno == EAGAIN, "full");
    int writer = dup(empty[1]);
    close(empty[1]);

    ready();
    wait_for_go();
    SPOIL(1, read(first[0], now, 1));
    SPOIL(2, fcntl(second[0], F_SETPIPE_SZ, 4096 * 8));
    SPOIL(3, fcntl(second[1], F_SETFL, 0); fcntl(second[0], F_SETFL, 0));
    SPOIL(4, write(writer, "x", 1));

    expect(fcntl(first[0], F_GETFD) == FD_CLOEXEC && fcntl(second[0], F_GETFD) == 0, "close-on-exec");
    expect((fcntl(second[0], F_GETFL) & O_NONBLOCK) && (fcntl(second[1], F_GETFL) & O_NONBLOCK), "O_NONBLOCK");
    expect(!(fcntl(first[0], F_GETFL) & O_NONBLOCK), "O_NONBLOCK of the other");
    expect(fcntl(second[0], F_GETPIPE_SZ) == capacity, "size %d", fcntl(second[0], F_GETPIPE_SZ));
    expect(read(first[0], now, sizeof now) == sizeof content - 1000, "length");
    expect(memcmp(now, content + 1000, sizeof content - 1000) == 0, "content");
    ssize_t total = 0, got;
    while ((got = read(second[0], now, sizeof now)) > 0)
        total += got;
    expect(got == -1 && errno == EAGAIN && total == filled, "%zd bytes instead of %zd", total, filled);
    expect(write(writer, "abc", 3) == 3 && read(empty[0], now, 10) == 3 && memcmp(now, "abc", 3) == 0,
           "dup'ed end");
    close(writer);
    expect(read(empty[0], now, 10) == 0, "end of file after the last writer");
    close(first[0]);
    signal(SIGPIPE, SIG_IGN);
    expect(write(first[1], "x", 1) == -1 && errno == EPIPE, "the reader's end is open elsewhere");
    pass();
}
