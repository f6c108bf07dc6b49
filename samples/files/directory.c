// A directory descriptor half-way through reading: each name comes exactly once, before or after.
#include "../lib/sample.h"
#include <dirent.h>

#define FILES 500

static unsigned char seen[FILES];
static int directory;

static int read_some(void) {
    static char buffer[2048];
    long got = syscall(SYS_getdents64, directory, buffer, sizeof buffer);
    expect(got >= 0, "getdents64");
    int count = 0;
    for (long offset = 0; offset < got;) {
        struct dirent64_raw {
            uint64_t inode;
            int64_t next;
            unsigned short length;
            unsigned char type;
            char name[];
        } *entry = (void *)(buffer + offset);
        int n;
        if (sscanf(entry->name, "file%d", &n) == 1) {
            seen[n]++;
            count++;
        }
        offset += entry->length;
    }
    return got == 0 ? -1 : count;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    mkdir("many", 0700);
    for (int i = 0; i < FILES; i++) {
        char name[64];
        snprintf(name, sizeof name, "many/file%d", i);
        make_file(name, "", 0);
    }
    directory = open("many", O_RDONLY | O_DIRECTORY);
    int count = 0;
    while (count < FILES / 2)
        count += read_some();

    ready();
    wait_for_go();
    SPOIL(1, lseek(directory, 0, SEEK_SET));
    SPOIL(2, lseek(directory, 0, SEEK_END); close(directory); directory = open("/", O_RDONLY));

    for (int more; (more = read_some()) >= 0;)
        count += more;
    expect(count == FILES, "%d names", count);
    for (int i = 0; i < FILES; i++)
        expect(seen[i] == 1, "file%d came %d times", i, seen[i]);
    expect(openat(directory, "file7", O_RDONLY) >= 0, "openat");
    pass();
}
