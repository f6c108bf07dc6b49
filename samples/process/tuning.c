// What a process has told the kernel about itself, one a variant: its score for when memory is short, what a
// core file of it holds, the expedited memory barriers that it is registered for.
//#Variants: oom_score core_filter membarrier
#include "../lib/sample.h"

static void put(const char *path, const char *text) {
    int file = open(path, O_WRONLY | O_CLOEXEC);
    expect(file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text), "%s to %s", text, path);
    close(file);
}

static int is(const char *path, const char *text) {
    char now[32] = "";
    int file = open(path, O_RDONLY | O_CLOEXEC);
    expect(file >= 0 && read(file, now, sizeof now - 1) > 0, "%s", path);
    close(file);
    return strcmp(now, text) == 0;
}

static long barrier(int command) { return syscall(SYS_membarrier, command, 0, 0); }

int main(int argc, char **argv) {
    enum { REGISTER_GLOBAL = 4, PRIVATE = 8, REGISTER_PRIVATE = 16, SYNC_CORE = 32, REGISTER_SYNC_CORE = 64 };
    static const char score[] = "/proc/self/oom_score_adj", filter[] = "/proc/self/coredump_filter";
    sample_start(argc, argv);
    const char *name = argc > 2 ? argv[2] : "oom_score";
    if (!strcmp(name, "oom_score"))
        put(score, "567");
    else if (!strcmp(name, "core_filter"))
        put(filter, "0x55");
    else {
        expect(barrier(PRIVATE) < 0 && errno == EPERM, "registered from the start");
        expect(barrier(REGISTER_PRIVATE) == 0 && barrier(REGISTER_GLOBAL) == 0, "membarrier");
    }

    ready();
    wait_for_go();
    if (!strcmp(name, "oom_score")) {
        SPOIL(1, put(score, "568"));
        expect(is(score, "567\n"), "the score");
    } else if (!strcmp(name, "core_filter")) {
        SPOIL(1, put(filter, "0x33"));
        expect(is(filter, "00000055\n"), "the filter");
    } else {
        SPOIL(1, barrier(REGISTER_SYNC_CORE));
        expect(barrier(PRIVATE) == 0, "the registration is lost");
        expect(barrier(SYNC_CORE) < 0 && errno == EPERM, "registered for more");
    }
    pass();
}
