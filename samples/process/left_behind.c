// A child that lives is left behind with the user's leave: the restored program has none, and may have another; a child
// that has ended beside it is there still. The program that goes on keeps both.
//#Allow: child
//#Ask: command
#include "../lib/sample.h"
#include <sys/prctl.h>
#include <sys/wait.h>

int main(int argc, char **argv) {
    sample_start(argc, argv);
    pid_t self = getpid(), lives = fork();
    if (lives == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (getppid() == self)
            short_sleep();
        _exit(0);
    }
    pid_t ended = fork();
    if (ended == 0)
        _exit(7);
    siginfo_t info;
    expect(waitid(P_PID, (id_t)ended, &info, WEXITED | WNOWAIT) == 0, "the child does not end");
    ready();
    wait_for_go();
    int restored = was_restored();
    int status = 0;
    SPOIL(1, waitpid(ended, &status, 0));
    pid_t got = waitpid(-1, &status, WNOHANG);
    expect(got > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 7, "the child that has ended: %d, %x", (int)got, (unsigned)status);
    got = waitpid(-1, &status, WNOHANG);
    if (restored) {
        expect(got == -1 && errno == ECHILD, "a restored program has a child: %d", (int)got);
    } else {
        SPOIL(2, kill(lives, SIGKILL); waitpid(lives, &status, 0));
        expect(got == 0 && kill(lives, SIGTERM) == 0 && waitpid(lives, &status, 0) == lives && WTERMSIG(status) == SIGTERM,
               "the child that lives: %d", (int)got);
    }
    pid_t other = fork();
    if (other == 0)
        _exit(9);
    expect(waitpid(-1, &status, 0) == other && WEXITSTATUS(status) == 9, "another child");
    pass();
}
