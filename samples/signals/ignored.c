// Signals that are ignored stay ignored, also across the exec of a child, and default ones kill again.
#include "../lib/sample.h"
#include <sys/wait.h>

int main(int argc, char **argv) {
    sample_start(argc, argv);
    signal(SIGHUP, SIG_IGN);
    signal(SIGRTMIN + 7, SIG_IGN);

    ready();
    wait_for_go();
    SPOIL(1, signal(SIGHUP, SIG_DFL));
    SPOIL(2, signal(SIGTERM, SIG_IGN));

    kill(getpid(), SIGHUP);
    kill(getpid(), SIGRTMIN + 7);
    pid_t child = fork();
    if (child == 0) {
        kill(getpid(), SIGTERM);
        _exit(1);
    }
    int status;
    expect(waitpid(child, &status, 0) == child, "wait");
    expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, "SIGTERM no longer kills: %x", (unsigned)status);
    pass();
}
