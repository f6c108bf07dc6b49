// The signal of --checkpoint is one of the C library's own. When that has taken it, or the program has, by
// system calls that ask no library, the command asks otherwise, and nobody is ended by it.
//#Flags: -pthread
//#Variants: cancelled default ignored handled blocked
#include "../lib/sample.h"
#include <pthread.h>

enum { REQUEST = 32 };
struct action {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};
static uint64_t request_mask = 1UL << (REQUEST - 1);
static volatile int urgent;

static void on_urgent(int number) { urgent += number == SIGURG; }
static void on_request(int number) { (void)number; }
__attribute__((naked)) static void restorer(void) { __asm__("mov $15, %eax\n\tsyscall"); }

static struct action action(void) {
    struct action now;
    expect(syscall(SYS_rt_sigaction, REQUEST, NULL, &now, 8) == 0, "rt_sigaction");
    return now;
}

static void *wait_for_end(void *argument) {
    while (argument == NULL)
        pause();
    return NULL;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *how = argv[2];
    struct action new = {.flags = 0x04000000, .restorer = restorer};
    if (strcmp(how, "cancelled") == 0) {
        pthread_t thread;
        expect(pthread_create(&thread, NULL, wait_for_end, NULL) == 0, "pthread_create");
        pthread_cancel(thread);
        void *result;
        pthread_join(thread, &result);
        expect(result == PTHREAD_CANCELED, "cancelled");
    } else if (strcmp(how, "blocked") == 0) {
        expect(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &request_mask, NULL, 8) == 0, "rt_sigprocmask");
    } else {
        new.handler = strcmp(how, "default") == 0 ? SIG_DFL : strcmp(how, "ignored") == 0 ? SIG_IGN : on_request;
        expect(syscall(SYS_rt_sigaction, REQUEST, &new, NULL, 8) == 0, "rt_sigaction");
    }
    struct action wanted = action();

    ready();
    wait_for_go();

    struct action now = action();
    SPOIL(1, now.handler = on_urgent);
    SPOIL(2, now.mask ^= 1);
    expect(now.handler == wanted.handler && now.flags == wanted.flags && now.mask == wanted.mask, "its action");
    // The other signal is the program's for the asking.
    expect(raise(SIGURG) == 0, "ignored, as it is by default");
    signal(SIGURG, on_urgent);
    raise(SIGURG);
    expect(urgent == 1, "%d urgent signals", urgent);
    pass();
}
