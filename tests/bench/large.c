// An executable of 128 MiB and more, of bytes that no file system makes smaller.
__asm__(".section .rodata\n.globl bulk\nbulk: .incbin \"bulk.bin\"\n.globl bulk_end\nbulk_end:\n.byte 0\n");
extern const char bulk[], bulk_end[];
int main(void) { return bulk[(bulk_end - bulk) / 2] == 0; }
