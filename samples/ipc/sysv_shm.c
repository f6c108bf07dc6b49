// System V shared memory that is attached. "removed": marked to be removed, so that it is gone with the process;
// "kept": with a key, still there, and what was written since the checkpoint is taken back; "readonly", "twice":
// attached to be read, and twice, with a part taken out of the middle; "others": another process has it attached and
// goes on writing to it; "remap": attached over other memory; "locked"; "sparse": large, with little in it. Views are
// of one object, and can be detached.
//#Variants: removed kept readonly twice others remap locked sparse
#include "../lib/sample.h"
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/wait.h>

static const char *kind;
static int is(const char *name) { return strcmp(kind, name) == 0; }

#define LENGTH (5 * PAGE)

static long attached(int id) {
    struct shmid_ds now;
    return shmctl(id, IPC_STAT, &now) == 0 ? (long)now.shm_nattch : -1;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    kind = argc > 2 ? argv[2] : "kept";
    size_t length = is("sparse") ? 64 << 20 : LENGTH - 100;
    key_t key = is("kept") ? (key_t)(0x43000000 | getpid()) : IPC_PRIVATE;
    int id = shmget(key, length, IPC_CREAT | IPC_EXCL | 0640);
    expect(id >= 0, "shmget");
    unsigned char *at = NULL, *second = NULL;
    if (is("remap")) {
        at = map_private(8 * PAGE);
        fill(at, 8 * PAGE, 9);
        expect(shmat(id, at + PAGE, SHM_REMAP) == at + PAGE, "shmat");
        at += PAGE;
    } else {
        at = shmat(id, NULL, 0);
        expect(at != (void *)-1, "shmat");
    }
    if (is("sparse"))
        fill(at + (32 << 20), PAGE, 1);
    else
        fill(at, LENGTH, 1);
    if (is("readonly") || is("twice")) {
        second = shmat(id, NULL, is("readonly") ? SHM_RDONLY : 0);
        expect(second != (void *)-1, "second shmat");
        if (is("twice"))
            expect(munmap(second + PAGE, 2 * PAGE) == 0, "munmap");
        else
            expect(mprotect(at, PAGE, PROT_READ) == 0, "mprotect");
    }
    if (is("locked"))
        expect(shmctl(id, SHM_LOCK, NULL) == 0, "SHM_LOCK");
    if (!is("kept") && !is("others"))
        expect(shmctl(id, IPC_RMID, NULL) == 0, "IPC_RMID");
    int status = 0;
    if (is("others")) {
        // A grandchild, which is no affair of ours: it ends when the segment is removed, or after some minutes.
        pid_t child = fork();
        if (child == 0) {
            if (fork() == 0) {
                volatile uint64_t *view = shmat(id, NULL, 0);
                struct shmid_ds now;
                double limit = monotonic() + 180;
                // All the time: while the page is saved, too.
                while (monotonic() < limit && shmctl(id, IPC_STAT, &now) == 0 && !(now.shm_perm.mode & SHM_DEST))
                    for (int i = 0; i < 100000; i++)
                        view[3 * PAGE / 8]++;
            }
            _exit(0);
        }
        expect(waitpid(child, &status, 0) == child && status == 0, "fork");
        while (attached(id) < 2)
            short_sleep();
    }
    volatile uint64_t *shared = (uint64_t *)at + 3 * PAGE / 8;
    volatile uint64_t own = *shared;

    ready();
    // Both go back to what they were at the checkpoint, or neither.
    int apart = 0;
    while (!go_is_there()) {
        if (is("kept")) {
            apart |= *shared != own;
            own++;
            *shared = own;
        }
        short_sleep();
    }
    expect(!apart, "not of the same moment: %lu, %lu", (unsigned long)*shared, (unsigned long)own);
    SPOIL(1, at = memcpy(map_private(LENGTH), at, LENGTH));
    SPOIL(2, at[is("sparse") ? 32 << 20 : 17]++);
    SPOIL(3, shmdt(at));

    if (is("remap")) {
        expect_pattern(at - PAGE, PAGE, 9);
        long wrong = first_wrong(at - PAGE, 8 * PAGE, 9);
        expect(wrong == (long)(PAGE / 8), "what it lies between: %ld", wrong);
    }
    if (is("others")) {
        uint64_t seen = *shared;
        double limit = monotonic() + 30;
        while (*shared == seen && monotonic() < limit)
            short_sleep();
        expect(seen >= own && *shared != seen, "shared with another process");
    }
    if (is("sparse")) {
        expect_pattern(at + (32 << 20), PAGE, 1);
        expect(at[0] == 0 && at[(64 << 20) - 1] == 0, "the rest");
    } else if (!spoil_asked(3)) {
        expect_pattern(at, 3 * PAGE, 1);
        for (size_t i = 4 * PAGE / 8; i < LENGTH / 8; i++)
            expect(((uint64_t *)at)[i] == pattern_word(1, i), "word %zu", i);
    }
    if (second) {
        at[4 * PAGE] ^= 0xff;
        expect(second[4 * PAGE] == at[4 * PAGE], "two views of one object");
        expect(touch(second + 4 * PAGE, 1) == (is("readonly") ? SIGSEGV : 0), "may be written");
        expect(mprotect(second, PAGE, PROT_READ | PROT_WRITE) == (is("readonly") ? -1 : 0), "may be made writable");
        if (is("twice"))
            expect(touch(second + PAGE, 0) == SIGSEGV, "the hole");
        else
            expect(touch(at, 1) == SIGSEGV, "the first is read-only in part");
        expect(shmdt(second) == 0 && touch(second, 0) == SIGSEGV, "detached");
    }
    if (is("kept")) {
        int again = shmget(key, 0, 0);
        expect(again >= 0 && (again == id || attached(id) < 0), "by its key: %d", again);
        struct shmid_ds now;
        expect(shmctl(again, IPC_STAT, &now) == 0 && now.shm_nattch == 1, "attached");
        expect(now.shm_segsz == length && (now.shm_perm.mode & 0777) == 0640, "as it was made");
        expect(shmctl(again, IPC_RMID, NULL) == 0, "IPC_RMID");
    }
    if (is("others"))
        expect(shmctl(id, IPC_RMID, NULL) == 0, "IPC_RMID");
    expect(shmdt(at) == 0, "shmdt");
    expect(touch(at, 0) == SIGSEGV, "detached");
    pass();
}
