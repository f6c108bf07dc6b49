// What has become of a file's name since it was opened: the descriptor is of the same file afterwards, whatever has
// its name by then, and one that never had a name can still be given one.
//#Variants: renamed moved replaced symlink other_name linkable shm
#include "../lib/sample.h"

static const char *kind;
static int is(const char *wanted) { return strcmp(kind, wanted) == 0; }

static void expect_text(int fd, const char *wanted) {
    char text[64] = "";
    expect(pread(fd, text, sizeof text - 1, 0) >= 0 && strcmp(text, wanted) == 0, "\"%s\"", text);
}

static int give_name(int fd, const char *name) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, path, AT_FDCWD, name, AT_SYMLINK_FOLLOW);
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    kind = argc > 2 ? argv[2] : "renamed";
    char shm[64];
    snprintf(shm, sizeof shm, "/dev/shm/ckpt-sample-%d", (int)getpid());
    const char *name = is("shm") ? shm : "folder/name", *now = name;
    expect(mkdir("folder", 0700) == 0, "mkdir");
    int fd = -1;
    if (is("linkable")) {
        fd = open("folder", O_RDWR | O_TMPFILE, 0600);
        expect(fd >= 0 && write(fd, "old", 3) == 3, "O_TMPFILE");
    } else {
        make_file(name, "old", 3);
        if (is("symlink"))
            expect(symlink("folder/name", "link") == 0, "symlink");
        if (is("other_name"))
            expect(link(name, "other") == 0, "link");
        fd = open(is("symlink") ? "link" : is("other_name") ? "other" : name, O_RDWR);
    }
    expect(fd >= 0 && lseek(fd, 2, SEEK_SET) == 2, "open");
    if (is("renamed")) {
        now = "folder/other name";
        expect(rename(name, now) == 0, "rename");
        make_file(name, "new", 3);
    }
    if (is("moved")) {
        now = "elsewhere/name";
        expect(rename("folder", "elsewhere") == 0 && mkdir("folder", 0700) == 0, "rename");
        make_file(name, "new", 3);
    }
    if (is("replaced")) {
        make_file("folder/new", "new", 3);
        expect(rename("folder/new", name) == 0, "rename");
    }
    if (is("symlink")) {
        make_file("folder/new", "new", 3);
        expect(unlink("link") == 0 && symlink("folder/new", "link") == 0, "symlink");
    }
    if (is("other_name"))
        expect(unlink(name) == 0, "unlink");
    ready();
    wait_for_go();
    if (is("shm")) {
        fd = dup(fd);
        expect(access(shm, F_OK) == 0 && unlink(shm) == 0, "unlink");
    }
    SPOIL(1, dup2(open("folder", O_RDONLY), fd));

    expect(lseek(fd, 0, SEEK_CUR) == 2, "position");
    expect_text(fd, "old");
    expect(pwrite(fd, "OLD", 3, 0) == 3, "pwrite");
    struct stat of_file, of_name;
    if (is("renamed") || is("moved") || is("symlink") || is("other_name")) {
        if (is("other_name"))
            now = "other";
        expect(fstat(fd, &of_file) == 0 && stat(now, &of_name) == 0 && of_file.st_ino == of_name.st_ino, "another file");
    }
    if (is("renamed") || is("moved") || is("replaced")) {
        int other = open(name, O_RDONLY);
        expect_text(other, "new");
        expect(fstat(fd, &of_file) == 0 && of_file.st_nlink == (is("replaced") ? 0 : 1), "names");
    }
    if (is("linkable")) {
        expect(give_name(fd, "named") == 0, "linkat");
        int other = open("named", O_RDONLY);
        expect_text(other, "OLD");
    }
    pass();
}
