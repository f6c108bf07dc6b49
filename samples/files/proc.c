// Files of the process itself in /proc: they are those of the restored process, whose number is another.
//#Unseen: descriptors
#include "../lib/sample.h"
#include <dirent.h>

static char text[1 << 16];

// The rest of a file from its position on.
static void read_all(int fd) {
    size_t filled = 0;
    ssize_t got;
    while ((got = read(fd, text + filled, sizeof text - 1 - filled)) > 0)
        filled += (size_t)got;
    expect(got == 0, "read");
    text[filled] = 0;
}

static void expect_own(int fd) {
    char line[64];
    snprintf(line, sizeof line, "\nPid:\t%d\n", (int)getpid());
    read_all(fd);
    expect(strstr(text, line) != NULL, "another process's status");
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    char name[64];
    snprintf(name, sizeof name, "/proc/%d/status", (int)getpid());
    int status = open(name, O_RDONLY), thread = open("/proc/thread-self/status", O_RDONLY);
    int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC), place = open("/proc/self", O_PATH);
    int memory = open("/proc/self/mem", O_RDWR), numbers = open("/proc/self/fd", O_RDONLY | O_DIRECTORY);
    expect(status >= 0 && thread >= 0 && maps >= 0 && place >= 0 && memory >= 0 && numbers >= 0, "open");
    unsigned char *page = map_private(PAGE);
    page[7] = 77;
    char half[100];
    expect(read(maps, half, sizeof half) == sizeof half, "read");
    ready();
    wait_for_go();
    SPOIL(1, dup2(open("/dev/null", O_RDWR), status));
    SPOIL(2, dup2(open("/proc/1", O_PATH), place));
    SPOIL(3, page[7] = 0);

    expect_own(status);
    expect_own(thread);
    int through = openat(place, "status", O_RDONLY);
    expect(through >= 0, "openat");
    expect_own(through);
    unsigned char byte = 0;
    expect(pread(memory, &byte, 1, (off_t)(uintptr_t)(page + 7)) == 1 && byte == 77, "memory");
    byte = 78;
    expect(pwrite(memory, &byte, 1, (off_t)(uintptr_t)(page + 7)) == 1 && page[7] == 78, "memory");
    expect(fcntl(maps, F_GETFD) == FD_CLOEXEC && lseek(maps, 0, SEEK_CUR) == sizeof half, "position");
    void *later = map_private(3 * PAGE);
    expect(mprotect((char *)later + PAGE, PAGE, PROT_NONE) == 0, "mprotect");
    lseek(maps, 0, SEEK_SET);
    read_all(maps);
    snprintf(name, sizeof name, "%lx-%lx ---p", (unsigned long)(uintptr_t)later + PAGE, (unsigned long)(uintptr_t)later + 2 * PAGE);
    expect(strstr(text, name) != NULL, "another process's mappings");
    DIR *folder = fdopendir(numbers);
    int seen = 0;
    for (struct dirent *entry; folder && (entry = readdir(folder)) != NULL;)
        seen |= atoi(entry->d_name) == through;
    expect(seen, "another process's descriptors");
    pass();
}
