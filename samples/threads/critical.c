// Threads inside of a restartable sequence when the checkpoint falls: it is aborted, as by any signal, and none goes
// on in the middle of one in the restored program. The area is glibc's, or one that the program has registered.
//#Flags: -pthread
//#Links: pie static musl glibc2.31 glibc2.41
//#Variants: library own
#include "../lib/sample.h"
#include <pthread.h>
#include <stddef.h>

// struct rseq and struct rseq_cs of linux/rseq.h.
struct area {
    uint32_t cpu_id_start, cpu_id;
    uint64_t section;
    uint32_t flags, more[3];
} __attribute__((aligned(32)));

enum { THREADS = 2, SIGNATURE = 0x53053053, ENDED = 0, ABORTED = 1, BROKEN = 2 };
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));
static __thread struct area own_area;
static int is_own;

static volatile uint32_t may_end;
static volatile int inside;
// Each thread: how often it was aborted, and in which process the last time.
static volatile long aborts[THREADS];
static volatile pid_t aborted_in[THREADS];
static volatile int broken[THREADS];

// glibc's area, or one of our own in its place.
static struct area *registered(void) {
    int has = &__rseq_size != NULL && __rseq_size > 0;
    struct area *theirs = has ? (struct area *)((char *)__builtin_thread_pointer() + __rseq_offset) : NULL;
    if (!is_own && has)
        return theirs;
    if (has)
        expect(syscall(SYS_rseq, theirs, 32, 1, SIGNATURE) == 0, "giving up the library's area");
    expect(syscall(SYS_rseq, &own_area, 32, 0, SIGNATURE) == 0, "rseq");
    return &own_area;
}

// Where the C library keeps the thread's id, which a restore sets right: a sequence that sees it change was not aborted.
static volatile uint32_t *noted_id(void) {
    volatile uint32_t *word = (volatile uint32_t *)pthread_self();
    for (int i = 0; i < 256; i++)
        if (word[i] == (uint32_t)syscall(SYS_gettid))
            return &word[i];
    FAIL("the library does not note the thread's id");
}

// A sequence that ends when the threads may. In it nothing of what it began with changes: neither who it is, nor what the
// kernel is told to abort.
static int sequence(struct area *area, volatile uint32_t *id) {
    int result;
    __asm__ volatile(".pushsection .data.sequence, \"aw\"\n\t"
                     ".balign 32\n"
                     "5:\n\t"
                     ".long 0, 0\n\t"
                     ".quad 1f, 3f - 1f, 4f\n\t"
                     ".popsection\n\t"
                     "lea 5b(%%rip), %%rax\n\t"
                     "mov %%rax, %c[section](%[area])\n"
                     "1:\n\t"
                     "mov (%[id]), %%ecx\n"
                     "2:\n\t"
                     "pause\n\t"
                     "cmp %%rax, %c[section](%[area])\n\t"
                     "jne 6f\n\t"
                     "cmp %%ecx, (%[id])\n\t"
                     "jne 6f\n\t"
                     "cmpl $0, %[end]\n\t"
                     "je 2b\n\t"
                     "xor %[result], %[result]\n" // what a sequence is for: one instruction that makes it good
                     "3:\n\t"
                     "jmp 7f\n\t"
                     ".byte 0x0f, 0xb9, 0x3d\n\t"
                     ".long 0x53053053\n"
                     "4:\n\t"
                     "mov %[aborted], %[result]\n\t"
                     "jmp 7f\n"
                     "6:\n\t"
                     "mov %[broken], %[result]\n"
                     "7:"
                     : [result] "=&r"(result)
                     : [area] "r"(area), [id] "r"(id), [end] "m"(may_end), [section] "i"(offsetof(struct area, section)),
                       [aborted] "i"(ABORTED), [broken] "i"(BROKEN)
                     : "rax", "rcx", "memory", "cc");
    return result;
}

static void *run(void *argument) {
    long n = (long)argument;
    struct area *area = registered();
    volatile uint32_t *id = noted_id();
    __sync_fetch_and_add(&inside, 1);
    for (;;) {
        int result = sequence(area, id);
        area->section = 0;
        if (result == ENDED)
            break;
        if (result == BROKEN)
            broken[n]++;
        aborted_in[n] = (pid_t)syscall(SYS_getpid);
        aborts[n]++;
    }
    if (is_own)
        expect(syscall(SYS_rseq, area, 32, 1, SIGNATURE) == 0, "the area is not registered any more");
    return NULL;
}

static void ignore(int number) { (void)number; }

int main(int argc, char **argv) {
    sample_start(argc, argv);
    is_own = argc > 2 && strcmp(argv[2], "own") == 0;
    pthread_t threads[THREADS];
    for (long i = 0; i < THREADS; i++)
        expect(pthread_create(&threads[i], NULL, run, (void *)i) == 0, "pthread_create");
    while (inside < THREADS)
        short_sleep();
    pid_t before = (pid_t)syscall(SYS_getpid);
    ready();
    wait_for_go();
    pid_t now = (pid_t)syscall(SYS_getpid);
    for (int i = 0; i < THREADS; i++) {
        while (now != before && aborted_in[i] != now)
            short_sleep();
        // Still registered: signals abort it.
        long count = aborts[i];
        signal(SIGUSR1, ignore);
        while (aborts[i] == count) {
            pthread_kill(threads[i], SIGUSR1);
            short_sleep();
        }
    }
    may_end = 1;
    for (int i = 0; i < THREADS; i++)
        expect(pthread_join(threads[i], NULL) == 0, "pthread_join");
    SPOIL(1, broken[1] = 1);
    SPOIL(2, aborted_in[0] = now + 1, aborts[0] = 0);
    for (int i = 0; i < THREADS; i++) {
        expect(broken[i] == 0, "thread %d went on in a sequence %d times", i, broken[i]);
        expect(aborts[i] > 0, "thread %d was not aborted", i);
        expect(aborted_in[i] == now, "thread %d was aborted in process %d", i, aborted_in[i]);
    }
    pass();
}
