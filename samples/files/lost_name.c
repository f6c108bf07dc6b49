// Files that have lost the name by which they were opened or mapped, but not all: descriptor and mapping are of the file
// with the other name afterwards, by which /proc knows it then.
//#Variants: lost replaced viewed read_only
//#Unseen: descriptors memory
#include "../lib/sample.h"

static const char *kind;
static int is(const char *wanted) { return strcmp(kind, wanted) == 0; }

static void expect_text(int fd, const char *wanted) {
    char text[64] = "";
    expect(pread(fd, text, sizeof text - 1, 0) >= 0 && strcmp(text, wanted) == 0, "\"%s\"", text);
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    kind = argc > 2 ? argv[2] : "lost";
    const char *name = "folder/name", *other = "folder/other";
    expect(mkdir("folder", 0700) == 0, "mkdir");
    make_file(name, "old", 3);
    expect(link(name, other) == 0, "link");
    int fd = open(name, is("read_only") ? O_RDONLY : O_RDWR);
    char *view = NULL;
    if (is("lost") || is("viewed")) {
        view = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        expect(view != MAP_FAILED, "mmap");
    }
    if (is("viewed"))
        expect(close(fd) == 0 && (fd = open(other, O_RDWR)) >= 0, "open");
    expect(fd >= 0 && lseek(fd, 2, SEEK_SET) == 2 && unlink(name) == 0, "unlink");
    if (is("replaced"))
        make_file(name, "new", 3);
    ready();
    wait_for_go();
    SPOIL(1, dup2(open("folder", O_RDONLY), fd));
    SPOIL(2, close(open(other, O_RDWR | O_TRUNC)); view = NULL);

    struct stat of_file, of_name;
    expect(fstat(fd, &of_file) == 0 && stat(other, &of_name) == 0 && of_file.st_ino == of_name.st_ino, "another file");
    expect(of_file.st_nlink == 1 && lseek(fd, 0, SEEK_CUR) == 2, "names or position");
    expect_text(fd, "old");
    if (!is("read_only")) {
        expect(pwrite(fd, "OLD", 3, 0) == 3, "pwrite");
        expect_text(open(other, O_RDONLY), "OLD");
    }
    if (view) {
        expect(memcmp(view, "OLD", 3) == 0, "the mapping is of another file");
        view[0] = 'o';
        expect_text(open(other, O_RDONLY), "oLD");
    }
    if (is("replaced"))
        expect_text(open(name, O_RDONLY), "new");
    pass();
}
