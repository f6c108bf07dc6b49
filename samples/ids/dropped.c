// A program that root has started and that has given up what it does not need: it is that user's afterwards, with no
// more than it had.
#include "../lib/sample.h"
#include <grp.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>

// The structures of linux/capability.h, which not every C library's headers have.
static struct {
    unsigned version;
    int pid;
} head = {0x20080522, 0};
struct set {
    unsigned effective, permitted, inheritable;
};
enum { BIND = 10, RAW = 13, MODULE = 16 };

static int ambient(int capability) { return prctl(47 /* PR_CAP_AMBIENT */, 1 /* IS_SET */, capability, 0, 0); }

int main(int argc, char **argv) {
    sample_start(argc, argv);
    gid_t groups[8] = {100, 200, 300};
    expect(setgroups(3, groups) == 0, "groups");
    expect(prctl(PR_CAPBSET_DROP, MODULE, 0, 0, 0) == 0, "bounding set");
    expect(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0, "keep");
    expect(setresgid(1000, 1001, 1002) == 0 && setresuid(65534, 65534, 65533) == 0, "ids");
    struct set mine[2] = {{1u << BIND, 1u << BIND | 1u << RAW, 1u << BIND}};
    expect(syscall(SYS_capset, &head, mine) == 0, "capabilities");
    expect(prctl(47, 2 /* RAISE */, BIND, 0, 0) == 0, "ambient");
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    prctl(PR_SET_PDEATHSIG, SIGURG, 0, 0, 0);
    ready();
    wait_for_go();
    uid_t r, e, s;
    SPOIL(1, setresuid(65534, 65534, 65534));
    SPOIL(2, mine[0].permitted = 1u << BIND; syscall(SYS_capset, &head, mine));
    SPOIL(3, prctl(47, 4 /* CLEAR_ALL */, 0, 0, 0));
    expect(getresuid(&r, &e, &s) == 0 && r == 65534 && e == 65534 && s == 65533, "users %d %d %d", r, e, s);
    expect(setfsuid(-1) == 65534, "user for files");
    expect(getresgid(&r, &e, &s) == 0 && r == 1000 && e == 1001 && s == 1002, "groups %d %d %d", r, e, s);
    expect(getgroups(8, groups) == 3 && groups[0] == 100 && groups[1] == 200 && groups[2] == 300, "other groups");
    struct set now[2];
    expect(syscall(SYS_capget, &head, now) == 0, "capget");
    expect(now[0].effective == 1u << BIND && now[0].permitted == (1u << BIND | 1u << RAW), "capabilities");
    expect(now[0].inheritable == 1u << BIND && now[1].permitted == 0, "capabilities");
    expect(ambient(BIND) == 1 && ambient(RAW) == 0, "ambient ones");
    expect(prctl(PR_CAPBSET_READ, MODULE, 0, 0, 0) == 0 && prctl(PR_CAPBSET_READ, RAW, 0, 0, 0) == 1, "bounding set");
    expect(prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0) == 1, "they are not kept");
    int death = 0;
    expect(prctl(PR_GET_PDEATHSIG, &death, 0, 0, 0) == 0 && death == SIGURG, "parent's end");
    expect(setresuid(0, 0, 0) == -1, "root again");
    pass();
}
