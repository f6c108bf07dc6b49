// A second thread, or a child that lives: the checkpoint is refused, and both go on.
//#Variants: thread child
//#Flags: -pthread
#include "../lib/sample.h"
#include <pthread.h>
#include <sys/wait.h>

static volatile int stop, turns;

static void *turn(void *argument) {
    while (!stop) {
        turns++;
        short_sleep();
    }
    return argument;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    int with_thread = argc < 3 || strcmp(argv[2], "thread") == 0;
    pthread_t thread;
    pid_t child = 0;
    if (with_thread) {
        expect(pthread_create(&thread, NULL, turn, NULL) == 0, "pthread_create");
    } else {
        child = fork();
        if (child == 0)
            for (;;)
                pause();
    }
    ready();
    wait_for_go();
    SPOIL(1, stop = 1; if (child) kill(child, SIGKILL); short_sleep(); short_sleep());
    if (with_thread) {
        int seen = turns;
        for (int i = 0; i < 500 && turns == seen; i++)
            short_sleep();
        expect(turns > seen, "the thread stands still");
        stop = 1;
        expect(pthread_join(thread, NULL) == 0, "join");
    } else {
        int status;
        short_sleep();
        expect(waitpid(child, &status, WNOHANG) == 0, "the child is dead");
        kill(child, SIGTERM);
        expect(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM,
               "the child's end: %x", (unsigned)status);
    }
    pass();
}
