// The contract between a sample and the harness (tests/support/sample.rs).
//
// A sample builds some state, says ready(), waits for the go file that its first argument names, and
// judges whether the state is still there. Between ready and go the harness checkpoints it, or kills
// and restores it; left alone it must pass as well.
//
// Success is the line "pass" and exit status 42, which no crash and no early return gives.
// SPOIL(n, statement) damages the state when the go file says "spoil n": the harness runs each of them,
// and the sample must then fail. That is how we know that its eyes are open.
#ifndef SAMPLE_H
#define SAMPLE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096UL

// What the go file said: "go", "restored", or "spoil N".
static char sample_go_text[64];
static const char *sample_go_path;

#define FAIL(...)                                                                                  \
    do {                                                                                           \
        printf("FAIL %s:%d: ", __FILE__, __LINE__);                                                \
        printf(__VA_ARGS__);                                                                       \
        printf("\n");                                                                              \
        fflush(stdout);                                                                            \
        _exit(1);                                                                                  \
    } while (0)

#define expect(condition, ...)                                                                     \
    do {                                                                                           \
        int sample_errno = errno;                                                                  \
        if (!(condition)) {                                                                        \
            printf("FAIL %s:%d: %s (errno %d): ", __FILE__, __LINE__, #condition, sample_errno);   \
            printf(__VA_ARGS__);                                                                   \
            printf("\n");                                                                          \
            fflush(stdout);                                                                        \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

// Must be the first call: argv[1] is the path of the go file.
static inline void sample_start(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: %s GO-FILE [VARIANT]\n", argv[0]);
        exit(2);
    }
    sample_go_path = argv[1];
}

static inline void ready(void) {
    printf("ready\n");
    fflush(stdout);
}

// One look for the go file; async-signal-safe. The harness writes it whole by a rename.
static inline int go_is_there(void) {
    int file = open(sample_go_path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return 0;
    ssize_t got = read(file, sample_go_text, sizeof sample_go_text - 1);
    close(file);
    return got > 0;
}

// Only plain system calls: nothing here may change memory that a sample wants to find unchanged.
static inline void short_sleep(void) {
    struct timespec pause = {0, 2000000};
    syscall(SYS_nanosleep, &pause, NULL);
}

static inline void wait_for_go(void) {
    while (!go_is_there())
        short_sleep();
}

static inline int was_restored(void) { return strncmp(sample_go_text, "restored", 8) == 0; }

static inline int spoil_asked(int n) {
    return strncmp(sample_go_text, "spoil ", 6) == 0 && atoi(sample_go_text + 6) == n;
}

#define SPOIL(n, ...)                                                                              \
    do {                                                                                           \
        if (spoil_asked(n)) {                                                                      \
            __VA_ARGS__;                                                                           \
        }                                                                                          \
    } while (0)

static inline __attribute__((noreturn)) void pass(void) {
    printf("pass\n");
    exit(42);
}

// A pattern that depends on the seed and on every position, so that swapped or shifted pages show.
static inline uint64_t pattern_word(uint64_t seed, uint64_t index) {
    uint64_t x = seed * 0x9e3779b97f4a7c15UL + index * 0xbf58476d1ce4e5b9UL + 1;
    x ^= x >> 30;
    x *= 0x94d049bb133111ebUL;
    x ^= x >> 31;
    return x;
}

static inline void fill(void *at, size_t length, uint64_t seed) {
    uint64_t *words = (uint64_t *)at;
    for (size_t i = 0; i < length / 8; i++)
        words[i] = pattern_word(seed, i);
}

// Index of the first wrong word, or -1.
static inline long first_wrong(const void *at, size_t length, uint64_t seed) {
    const uint64_t *words = (const uint64_t *)at;
    for (size_t i = 0; i < length / 8; i++)
        if (words[i] != pattern_word(seed, i))
            return (long)i;
    return -1;
}

#define expect_pattern(at, length, seed)                                                           \
    expect(first_wrong(at, length, seed) < 0, "word %ld of %p differs",                            \
           first_wrong(at, length, seed), (void *)(at))

static inline void *map_anywhere(size_t length, int protection, int flags) {
    void *at = mmap(NULL, length, protection, flags, -1, 0);
    expect(at != MAP_FAILED, "mmap of %zu bytes", length);
    return at;
}

#define map_private(length) map_anywhere(length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS)

// Whether a read (or write) of the byte faults, with which signal and si_code.
#include <setjmp.h>
static sigjmp_buf sample_fault_jump;
static volatile int sample_fault_code;
static inline void sample_on_fault(int number, siginfo_t *info, void *context) {
    (void)context;
    sample_fault_code = info->si_code;
    siglongjmp(sample_fault_jump, number);
}

// 0, or the number of the signal that the access raised.
static inline int touch(volatile unsigned char *at, int write) {
    struct sigaction act, old_segv, old_bus;
    memset(&act, 0, sizeof act);
    act.sa_sigaction = sample_on_fault;
    act.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigaction(SIGSEGV, &act, &old_segv);
    sigaction(SIGBUS, &act, &old_bus);
    int number = sigsetjmp(sample_fault_jump, 1);
    if (number == 0) {
        if (write)
            *at = *at;
        else
            (void)*at;
    }
    sigaction(SIGSEGV, &old_segv, NULL);
    sigaction(SIGBUS, &old_bus, NULL);
    return number;
}

// Whether the mapping that holds the address shows this two-letter word in VmFlags of smaps.
static inline int has_vm_flag(const void *at, const char *flag) {
    FILE *smaps = fopen("/proc/self/smaps", "r");
    expect(smaps != NULL, "smaps");
    char line[1024];
    int inside = 0, found = 0;
    while (fgets(line, sizeof line, smaps)) {
        unsigned long start, end;
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
            inside = (uintptr_t)at >= start && (uintptr_t)at < end;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
            char wanted[8];
            snprintf(wanted, sizeof wanted, " %s", flag);
            found = strstr(line, wanted) != NULL;
            break;
        }
    }
    fclose(smaps);
    return found;
}

// A file in the working directory with this content.
static inline void make_file(const char *name, const void *content, size_t length) {
    int file = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    expect(file >= 0, "create %s", name);
    expect(write(file, content, length) == (ssize_t)length, "write %s", name);
    close(file);
}

static inline double monotonic(void) {
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

#endif
