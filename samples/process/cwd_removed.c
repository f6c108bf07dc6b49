// A working directory that was removed. "alone": nobody else has it; "open": it is open, too; "above": so was the one
// above it, which is open; "replaced": by another of that name; "socket": with a socket that has a name elsewhere.
//#Variants: alone open above replaced socket
//#Unseen: cwd
#include "../lib/sample.h"
#include <sys/socket.h>
#include <sys/un.h>

static void link_of_cwd(char text[4096]) {
    ssize_t got = readlink("/proc/self/cwd", text, 4095);
    expect(got > 0, "readlink");
    text[got] = 0;
}

static ino_t inode(const char *path) {
    struct stat is;
    expect(stat(path, &is) == 0, "%s", path);
    return is.st_ino;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *variant = argc > 2 ? argv[2] : "alone";
    int above = !strcmp(variant, "above"), replaced = !strcmp(variant, "replaced");
    char start[4096], path[4200], text[4096], old[4096];
    expect(getcwd(start, sizeof start) != NULL, "getcwd");
    snprintf(path, sizeof path, "%s/upper", start);
    expect(mkdir("upper", 0700) == 0 && mkdir("upper/gone", 0750) == 0 && chdir("upper/gone") == 0, "mkdir");
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int has_socket = !strcmp(variant, "socket"), listener = socket(AF_UNIX, SOCK_STREAM, 0), client = -1;
    if (has_socket) {
        expect(snprintf(name.sun_path, sizeof name.sun_path, "%s/name", start) < (int)sizeof name.sun_path, "name");
        expect(bind(listener, (struct sockaddr *)&name, sizeof name) == 0 && listen(listener, 1) == 0, "listen");
    }
    int here = strcmp(variant, "open") && !above ? -1 : open(".", O_RDONLY | O_DIRECTORY);
    int upper = above ? open("..", O_RDONLY | O_DIRECTORY) : -1;
    expect(rmdir("../gone") == 0, "rmdir");
    if (above)
        expect(rmdir(path) == 0, "rmdir");
    if (replaced)
        expect(mkdir("../gone", 0700) == 0, "mkdir");
    link_of_cwd(old);

    ready();
    wait_for_go();
    SPOIL(1, chdir(start));
    SPOIL(2, chmod(".", 0700));

    struct stat is, other;
    expect(stat(".", &is) == 0 && is.st_nlink == 0 && is.st_mode == (S_IFDIR | 0750), "mode %o", is.st_mode);
    expect(syscall(SYS_getcwd, text, sizeof text) == -1 && errno == ENOENT, "getcwd: %s", text);
    expect(open("new", O_CREAT | O_RDWR, 0600) == -1 && errno == ENOENT, "a new file");
    link_of_cwd(text);
    char *end = strstr(text, " (deleted)");
    expect(end && !end[10] && strncmp(text, path, strlen(path)) == 0, "%s", text);
    expect(replaced || strcmp(text, old) == 0, "%s, not %s", text, old);
    if (here >= 0)
        expect(fstat(here, &other) == 0 && other.st_ino == is.st_ino, "it is another than the one that is open");
    if (above)
        expect(fstat(upper, &other) == 0 && other.st_ino == inode("..") && other.st_nlink == 0, "the one above");
    else
        expect(inode("..") == inode(path), "the one above");
    if (replaced)
        expect(inode("../gone") != is.st_ino && rmdir("../gone") == 0, "the other of its name");
    if (has_socket) {
        client = socket(AF_UNIX, SOCK_STREAM, 0);
        expect(connect(client, (struct sockaddr *)&name, sizeof name) == 0, "connect");
    }
    expect(!above || chdir("..") == 0, "chdir");
    expect(chdir("..") == 0 && getcwd(text, sizeof text) && (above || strcmp(text, path) == 0), "%s", text);
    if (above)
        expect(strcmp(text, start) == 0, "%s", text);
    pass();
}
