// A directory that was removed, open and worked in, which tests/files.rs restores where its place has changed. Tells its
// name and whether the one above is there. "closed": nobody may enter it by then.
#include "../lib/sample.h"

int main(int argc, char **argv) {
    sample_start(argc, argv);
    expect(mkdir("upper", 0700) == 0 && mkdir("upper/gone", 0711) == 0 && chdir("upper/gone") == 0, "mkdir");
    int here = open(".", O_RDONLY | O_DIRECTORY);
    expect(here >= 0 && rmdir("../gone") == 0, "rmdir");
    if (argc > 2 && !strcmp(argv[2], "closed"))
        expect(chmod(".", 0600) == 0, "chmod");

    ready();
    wait_for_go();

    struct stat one, other;
    expect(stat(".", &one) == 0 && one.st_nlink == 0 && (one.st_mode & 07777) == 0711, "mode %o", one.st_mode);
    expect(fstat(here, &other) == 0 && other.st_ino == one.st_ino, "another one");
    expect(open("new", O_CREAT | O_RDWR, 0600) == -1 && errno == ENOENT, "a new file");
    expect(stat("..", &other) == 0, "the one above");
    char text[4096];
    ssize_t got = readlink("/proc/self/cwd", text, sizeof text - 1);
    expect(got > 0, "readlink");
    printf("%.*s above %s\n", (int)got, text, other.st_nlink ? "there" : "removed");
    pass();
}
