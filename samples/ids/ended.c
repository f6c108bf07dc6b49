// A child that has ended and was not waited for, by its id.
#include "../lib/sample.h"
#include <sys/wait.h>

int main(int argc, char **argv) {
    sample_start(argc, argv);
    siginfo_t end;
    pid_t child = fork();
    if (child == 0)
        _exit(5);
    expect(waitid(P_PID, (id_t)child, &end, WEXITED | WNOWAIT) == 0, "no child");
    ready();
    wait_for_go();
    int status;
    SPOIL(1, waitpid(child, &status, 0));
    expect(waitpid(child, &status, 0) == child, "no child %d", child);
    expect(WIFEXITED(status) && WEXITSTATUS(status) == 5, "status %x", (unsigned)status);
    pass();
}
