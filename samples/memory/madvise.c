// What madvise and mmap flags leave on a mapping: each shows in smaps, and those that act on fork act.
#include "../lib/sample.h"
#include <sys/wait.h>

static const struct {
    int advice;
    const char *flag;
} kinds[] = {
    {MADV_DONTFORK, "dc"}, {MADV_WIPEONFORK, "wf"}, {MADV_DONTDUMP, "dd"},  {MADV_MERGEABLE, "mg"},
    {MADV_HUGEPAGE, "hg"}, {MADV_NOHUGEPAGE, "nh"}, {MADV_SEQUENTIAL, "sr"}, {MADV_RANDOM, "rr"},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

int main(int argc, char **argv) {
    sample_start(argc, argv);
    unsigned char *at[KINDS];
    int known[KINDS];
    for (size_t i = 0; i < KINDS; i++) {
        at[i] = map_private(16 * PAGE);
        fill(at[i], 16 * PAGE, i);
        // A kernel may be built without one of them; then it has no flag to keep either.
        known[i] = madvise(at[i], 16 * PAGE, kinds[i].advice) == 0 && has_vm_flag(at[i], kinds[i].flag);
    }
    expect(known[0] && known[1] && known[2], "fork and dump advice");
    unsigned char *no_reserve =
        map_anywhere(PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
    expect(has_vm_flag(no_reserve, "nr"), "nr");

    ready();
    wait_for_go();
    SPOIL(1, madvise(at[0], PAGE, MADV_DOFORK));
    SPOIL(2, madvise(at[1], PAGE, MADV_KEEPONFORK));
    SPOIL(3, madvise(at[2], PAGE, MADV_DODUMP));
    SPOIL(4, madvise(at[6], PAGE, MADV_NORMAL); madvise(at[7], PAGE, MADV_NORMAL));
    SPOIL(5, madvise(at[0], 16 * PAGE, MADV_DOFORK));

    for (size_t i = 0; i < KINDS; i++) {
        if (known[i]) {
            expect(has_vm_flag(at[i], kinds[i].flag), "%s", kinds[i].flag);
            expect(has_vm_flag(at[i] + 15 * PAGE, kinds[i].flag), "%s at the end", kinds[i].flag);
        }
        for (size_t other = 0; other < 3; other++)
            if (other != i)
                expect(!has_vm_flag(at[i], kinds[other].flag), "%s on %zu", kinds[other].flag, i);
        expect_pattern(at[i], 16 * PAGE, i);
    }
    expect(has_vm_flag(no_reserve, "nr"), "nr");

    pid_t child = fork();
    if (child == 0) {
        int wiped = at[1][100] == 0;
        _exit(wiped && touch(at[0], 0) == SIGSEGV ? 7 : 8);
    }
    int status;
    expect(waitpid(child, &status, 0) == child, "wait");
    expect(WIFEXITED(status) && WEXITSTATUS(status) == 7, "a child sees what it should not");
    pass();
}
