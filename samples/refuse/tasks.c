// A child that lives, and a thread that may something that others may not: the checkpoint is refused, and all go on.
//#Variants: child rights
//#Flags: -pthread
#include "../lib/sample.h"
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static volatile int changed;
static void *other_rights(void *unused) {
    expect(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0, "keep capabilities");
    changed = 1;
    wait_for_go();
    expect(prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0) == 1, "they are not kept");
    return unused;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    if (argc > 2 && strcmp(argv[2], "rights") == 0) {
        pthread_t thread;
        expect(pthread_create(&thread, NULL, other_rights, NULL) == 0, "thread");
        while (!changed)
            short_sleep();
        ready();
        pthread_join(thread, NULL);
        SPOIL(1, exit(1));
        pass();
    }
    pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    ready();
    wait_for_go();
    SPOIL(1, kill(child, SIGKILL); short_sleep(); short_sleep());
    int status;
    short_sleep();
    expect(waitpid(child, &status, WNOHANG) == 0, "the child is dead");
    kill(child, SIGTERM);
    expect(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM,
           "the child's end: %x", (unsigned)status);
    pass();
}
