// Descriptors made by dup share one offset and one set of status flags; the same file opened twice
// shares neither. Close-on-exec belongs to each descriptor.
#include "../lib/sample.h"

static long at(int fd) { return (long)lseek(fd, 0, SEEK_CUR); }

int main(int argc, char **argv) {
    sample_start(argc, argv);
    char content[1000] = {0};
    make_file("file", content, sizeof content);
    int first = open("file", O_RDWR);
    int second = dup(first);
    int third = fcntl(first, F_DUPFD_CLOEXEC, 200);
    int other = open("file", O_RDWR);
    int other_too = dup2(other, 90);
    expect(third == 200 && other_too == 90, "dup");
    lseek(first, 100, SEEK_SET);
    lseek(other, 500, SEEK_SET);
    int writer = open("file", O_WRONLY | O_APPEND);
    int writer_too = dup(writer);

    ready();
    wait_for_go();
    SPOIL(1, dup2(open("file", O_RDWR), second); lseek(second, 100, SEEK_SET));
    SPOIL(2, dup2(first, other));
    SPOIL(3, fcntl(third, F_SETFD, 0));
    SPOIL(4, fcntl(first, F_SETFD, FD_CLOEXEC));

    expect(at(first) == 100 && at(second) == 100 && at(third) == 100, "%ld %ld %ld", at(first), at(second),
           at(third));
    expect(at(other) == 500 && at(other_too) == 500, "%ld %ld", at(other), at(other_too));
    lseek(third, 7, SEEK_SET);
    expect(at(first) == 7 && at(second) == 7, "the offset is no longer shared");
    expect(at(other) == 500, "the offset is shared with another opening");
    lseek(other_too, 8, SEEK_SET);
    expect(at(other) == 8 && at(first) == 7, "the other opening");
    expect(fcntl(third, F_GETFD) == FD_CLOEXEC && fcntl(first, F_GETFD) == 0 && fcntl(second, F_GETFD) == 0,
           "close-on-exec");
    fcntl(second, F_SETFL, O_NONBLOCK);
    expect(fcntl(first, F_GETFL) & O_NONBLOCK, "status flags are no longer shared");
    expect(!(fcntl(other, F_GETFL) & O_NONBLOCK), "status flags are shared with another opening");
    expect(write(writer, "abc", 3) == 3 && at(writer_too) == 1003, "append at %ld", at(writer_too));
    pass();
}
