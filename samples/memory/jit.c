// Code written at run time: in a page that is executable only, and in one that is writable as well.
#include "../lib/sample.h"

// lea eax, [rdi + N]; ret
static void emit(unsigned char *at, unsigned char n) {
    const unsigned char code[] = {0x8d, 0x47, n, 0xc3};
    memcpy(at, code, sizeof code);
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    unsigned char *sealed = map_private(2 * PAGE);
    emit(sealed + 100, 5);
    expect(mprotect(sealed, 2 * PAGE, PROT_EXEC) == 0, "mprotect");
    unsigned char *open_page =
        map_anywhere(PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS);
    emit(open_page, 6);

    ready();
    wait_for_go();
    SPOIL(1, mprotect(sealed, 2 * PAGE, PROT_READ | PROT_WRITE); emit(sealed + 100, 7);
          mprotect(sealed, 2 * PAGE, PROT_EXEC));
    SPOIL(2, mprotect(sealed, 2 * PAGE, PROT_READ | PROT_EXEC));
    SPOIL(3, emit(open_page, 7));

    int (*first)(int) = (int (*)(int))(uintptr_t)(sealed + 100);
    int (*second)(int) = (int (*)(int))(uintptr_t)open_page;
    expect(first(10) == 15, "sealed code gave %d", first(10));
    expect(second(10) == 16, "open code gave %d", second(10));
    expect(!has_vm_flag(sealed, "rd") && !has_vm_flag(sealed, "wr"), "protection of sealed code");
    emit(open_page, 8);
    expect(second(10) == 18, "code written afterwards gave %d", second(10));
    pass();
}
