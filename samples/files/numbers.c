// Descriptors at odd numbers with gaps between, O_PATH ones, and the lowest free number stays the same.
#include "../lib/sample.h"
#include <sys/resource.h>

int main(int argc, char **argv) {
    sample_start(argc, argv);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    int top = limit.rlim_cur > 1000000 ? 1000000 : (int)limit.rlim_cur - 1;
    make_file("file", "0123456789", 10);
    int base = open("file", O_RDONLY);
    expect(dup2(base, top) == top && dup2(base, 63) == 63 && dup2(base, 64) == 64 && dup2(base, 500) == 500,
           "dup2");
    int path = open("file", O_PATH);
    int folder = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    symlink("file", "link");
    int link = open("link", O_PATH | O_NOFOLLOW);
    expect(path >= 0 && folder >= 0 && link >= 0, "O_PATH");
    int path_flags = fcntl(path, F_GETFL), link_flags = fcntl(link, F_GETFL);
    close(base);
    lseek(top, 4, SEEK_SET);

    ready();
    wait_for_go();
    SPOIL(1, close(top));
    SPOIL(2, dup2(open("file", O_RDONLY), path));
    SPOIL(3, open("file", O_RDONLY));

    char byte;
    expect(read(top, &byte, 1) == 1 && byte == '4', "descriptor %d", top);
    expect(read(500, &byte, 1) == 1 && byte == '5' && read(63, &byte, 1) == 1 && byte == '6', "500, 63");
    expect(read(path, &byte, 1) == -1 && errno == EBADF, "an O_PATH descriptor reads");
    expect(fcntl(path, F_GETFL) == path_flags && fcntl(link, F_GETFL) == link_flags, "O_PATH flags");
    expect(fcntl(folder, F_GETFD) == FD_CLOEXEC, "O_PATH close-on-exec");
    struct stat is;
    expect(fstat(link, &is) == 0 && S_ISLNK(is.st_mode), "the descriptor of a link");
    expect(openat(folder, "file", O_RDONLY) == base, "lowest free descriptor");
    pass();
}
