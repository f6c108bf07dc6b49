// All registers of the machine loaded with known values, held while something happens, and read back.
//
// "Held" is either a loop of plain instructions (a signal may fall between any two), or a loop of system
// calls that waits for the go file. Everything is in one asm block: no compiler touches a register.
#ifndef REGISTERS_H
#define REGISTERS_H
#include "../lib/sample.h"
#include <cpuid.h>

#define AREA 16384UL
// x87, SSE, AVX, opmask, upper halves of zmm0-15, zmm16-31. Others (PKRU, AMX) are not ours to load.
#define WANTED 0xe7UL

// Offsets are used by the asm below.
struct held {
    uint64_t in[16];         // 0: rax rbx rcx rdx rsi rdi rbp rsp r8-r15; rcx is the loop counter
    uint64_t out[16];        // 128
    uint64_t flags_in;       // 256
    uint64_t flags_out;      // 264
    uint64_t rsp;            // 272
    unsigned char *area_in;  // 280
    unsigned char *area_out; // 288
    uint64_t mask;           // 296
};

static inline uint64_t xfeatures(void) {
    unsigned a, b, c, d;
    __cpuid(1, a, b, c, d);
    if (!(c & bit_OSXSAVE))
        return 0;
    __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    return (((uint64_t)d << 32) | a) & WANTED;
}

static inline unsigned feature_offset(int feature, unsigned *size) {
    unsigned a, b, c, d;
    if (feature == 0 || feature == 1) {
        *size = feature == 0 ? 128 : 256;
        return feature == 0 ? 32 : 160;
    }
    __cpuid_count(13, (unsigned)feature, a, b, c, d);
    *size = a;
    return b;
}

// Fills an xsave area with values that depend on the seed.
static inline void make_area(unsigned char *area, uint64_t mask, uint64_t seed) {
    memset(area, 0, AREA);
    for (int feature = 0; feature < 8; feature++)
        if (mask >> feature & 1) {
            unsigned size, offset = feature_offset(feature, &size);
            fill(area + offset, size, seed * 10 + (uint64_t)feature);
        }
    // x87: precision control, rounding and masks as no compiler sets them; eight values on the stack,
    // whose 80 bits are in 16 bytes each.
    static const uint16_t controls[] = {0x037f, 0x007f, 0x0e7f, 0x0b7f, 0x077e};
    uint16_t control = controls[seed % 5], status = (uint16_t)((seed % 8) << 11 | 0x4100);
    memcpy(area, &control, 2);
    memcpy(area + 2, &status, 2);
    area[4] = seed % 3 ? 0xff : 0x5a; // which registers are in use
    for (int i = 0; i < 8; i++) {
        memset(area + 32 + i * 16 + 10, 0, 6);
        area[32 + i * 16 + 7] |= 0x80; // a normal number
    }
    // mxcsr: all exceptions masked, rounding, flush-to-zero, denormals-are-zero and sticky flags vary.
    uint32_t mxcsr = 0x1f80 | (uint32_t)(seed % 4) << 13 | (seed & 1) << 15 | (seed & 2) << 5 | (seed & 0x3f);
    memcpy(area + 24, &mxcsr, 4);
    memcpy(area + 512, &mask, 8); // xstate_bv: all in use
}

static inline const char *area_difference(const unsigned char *in, const unsigned char *out, uint64_t mask) {
    static const char *const names[] = {"x87", "xmm", "ymm", "", "", "k", "zmm, upper halves", "zmm16-31"};
    if (memcmp(in, out, 2) != 0 || memcmp(in + 2, out + 2, 2) != 0)
        return "x87 control or status word";
    if (in[4] != out[4])
        return "x87 tags";
    if (memcmp(in + 24, out + 24, 4) != 0)
        return "mxcsr";
    for (int feature = 0; feature < 8; feature++)
        if (mask >> feature & 1) {
            unsigned size, offset = feature_offset(feature, &size);
            if (memcmp(in + offset, out + offset, size) != 0)
                return names[feature];
        }
    return NULL;
}

static inline struct held *make_held(unsigned char *stack_top) {
    struct held *held = aligned_alloc(64, 512);
    memset(held, 0, 512);
    held->mask = xfeatures();
    held->area_in = map_private(AREA);
    held->area_out = map_private(AREA);
    held->in[7] = (uint64_t)stack_top;
    return held;
}

static inline void seed_held(struct held *held, uint64_t seed, uint64_t spins) {
    make_area(held->area_in, held->mask, seed);
    memset(held->area_out, 0, AREA);
    for (uint64_t i = 0; i < 16; i++)
        if (i != 7)
            held->in[i] = pattern_word(seed, i);
    held->in[2] = spins;
    // Carry, parity, adjust, zero, sign, direction, overflow.
    held->flags_in = 0x202 | (pattern_word(seed, 99) & 0xcd5);
    memset(held->out, 0, sizeof held->out);
}

__attribute__((used)) static struct held *volatile held_now;

// Loads all, spins in[2] times without touching a flag or register but rcx, stores all.
__attribute__((naked, noinline)) static void hold_spinning(void) {
    __asm__("push rbx\n push rbp\n push r12\n push r13\n push r14\n push r15\n"
            "mov rdi, qword ptr [rip + held_now]\n"
            "mov [rdi + 272], rsp\n"
            "mov rsi, [rdi + 280]\n mov eax, [rdi + 296]\n mov edx, [rdi + 300]\n"
            "xrstor64 [rsi]\n"
            "mov rsp, [rdi + 56]\n"
            "push qword ptr [rdi + 256]\n popfq\n"
            "mov rax, [rdi]\n mov rbx, [rdi + 8]\n mov rcx, [rdi + 16]\n mov rdx, [rdi + 24]\n"
            "mov rsi, [rdi + 32]\n mov rbp, [rdi + 48]\n"
            "mov r8, [rdi + 64]\n mov r9, [rdi + 72]\n mov r10, [rdi + 80]\n mov r11, [rdi + 88]\n"
            "mov r12, [rdi + 96]\n mov r13, [rdi + 104]\n mov r14, [rdi + 112]\n mov r15, [rdi + 120]\n"
            "mov rdi, [rdi + 40]\n"
            "1: lea rcx, [rcx - 1]\n jrcxz 2f\n jmp 1b\n"
            "2: xchg rdi, qword ptr [rip + held_now]\n"
            "mov [rdi + 128], rax\n mov [rdi + 136], rbx\n mov [rdi + 144], rcx\n mov [rdi + 152], rdx\n"
            "mov [rdi + 160], rsi\n mov [rdi + 176], rbp\n mov [rdi + 184], rsp\n"
            "mov [rdi + 192], r8\n mov [rdi + 200], r9\n mov [rdi + 208], r10\n mov [rdi + 216], r11\n"
            "mov [rdi + 224], r12\n mov [rdi + 232], r13\n mov [rdi + 240], r14\n mov [rdi + 248], r15\n"
            "mov rax, rdi\n xchg rax, qword ptr [rip + held_now]\n mov [rdi + 168], rax\n"
            "pushfq\n pop qword ptr [rdi + 264]\n cld\n"
            "mov rsi, [rdi + 288]\n mov eax, [rdi + 296]\n mov edx, [rdi + 300]\n"
            "xsave64 [rsi]\n"
            "mov rsp, [rdi + 272]\n"
            "fninit\n push 0x1f80\n ldmxcsr [rsp]\n add rsp, 8\n"
            "pop r15\n pop r14\n pop r13\n pop r12\n pop rbp\n pop rbx\n ret\n");
}

static inline void judge_held(const struct held *held) {
    static const char *const names[] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp",
                                        "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    for (int i = 0; i < 16; i++)
        expect(held->out[i] == (i == 2 ? 0 : held->in[i]), "%s is %lx, was %lx", names[i], held->out[i],
               held->in[i]);
    expect((held->flags_out & 0xcd5) == (held->flags_in & 0xcd5), "flags are %lx, were %lx", held->flags_out,
           held->flags_in);
    const char *wrong = area_difference(held->area_in, held->area_out, held->mask);
    expect(wrong == NULL, "%s", wrong);
}
#endif
