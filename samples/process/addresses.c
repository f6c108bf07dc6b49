// Addresses that the kernel keeps for the thread: robust futex list, clear_child_tid, restartable
// sequences. Each is used by the kernel at a moment when nobody looks.
//#Links: pie nopie static staticpie musl glibc2.31 glibc2.41 glibc2.41static
#include "../lib/sample.h"
#include <sys/prctl.h>

struct list_head {
    void *next;
    long offset;
    void *pending;
};

#define PR_GET_TID_ADDRESS_ 40

static _Alignas(64) unsigned char own_area[64];
static int tid_word = 12345;

// The offset of the C library's area from the thread pointer: 0 if it has none.
static int libc_registers_rseq(void) {
    // Registering succeeds only if nothing is registered, and is undone at once.
    if (syscall(SYS_rseq, own_area, 32, 0, 0x53053053) == 0) {
        syscall(SYS_rseq, own_area, 32, 1, 0x53053053);
        return 0;
    }
    return errno;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    static struct list_head head = {&head, -32, NULL};
    expect(syscall(SYS_set_robust_list, &head, sizeof head) == 0, "set_robust_list");
    syscall(SYS_set_tid_address, &tid_word);
    int registered = libc_registers_rseq();

    ready();
    wait_for_go();
    SPOIL(1, syscall(SYS_set_robust_list, own_area, sizeof head));
    SPOIL(2, syscall(SYS_set_tid_address, own_area));
    SPOIL(3, registered ^= 1);

    void *list = NULL;
    size_t length = 0;
    expect(syscall(SYS_get_robust_list, 0, &list, &length) == 0, "get_robust_list");
    expect(list == &head && length == sizeof head, "robust list at %p", list);
    int *address = NULL;
    expect(prctl(PR_GET_TID_ADDRESS_, &address, 0, 0, 0) == 0 && address == &tid_word, "tid address %p",
           (void *)address);
    expect(libc_registers_rseq() == registered, "rseq: %d instead of %d", libc_registers_rseq(), registered);
    pass();
}
