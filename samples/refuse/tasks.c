// A child that lives: the checkpoint is refused, and both go on.
//#Variants: child
#include "../lib/sample.h"
#include <sys/wait.h>

int main(int argc, char **argv) {
    sample_start(argc, argv);
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
