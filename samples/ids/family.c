// Restored with `--pid same`: children that lose their parent are taken in and waited for by process 1 of the
// namespace, and one that outlives the program goes on: it writes "alive" to the file "left" at the end.
#include "../lib/sample.h"
#include <sys/prctl.h>
#include <sys/wait.h>

// A grandchild whose parent has ended; tells its id through a pipe, and waits for the second pipe's end.
static pid_t orphan(int *lifeline, const char *last_words) {
    int told[2], life[2];
    expect(pipe2(told, O_CLOEXEC) == 0 && pipe2(life, O_CLOEXEC) == 0, "pipe");
    pid_t child = fork();
    if (child == 0) {
        if (fork() == 0) {
            close(life[1]);
            while (getppid() != 1)
                short_sleep();
            pid_t own = getpid();
            expect(write(told[1], &own, sizeof own) == sizeof own, "write");
            close(told[1]);
            char byte;
            if (read(life[0], &byte, 1) < 0)
                _exit(1);
            if (last_words) {
                for (int n = 0; n < 100; n++)
                    short_sleep();
                int file = open("left", O_WRONLY | O_CREAT | O_TRUNC, 0644);
                if (write(file, last_words, strlen(last_words)) < 0)
                    _exit(1);
            }
            _exit(0);
        }
        _exit(0);
    }
    close(told[1]), close(life[0]);
    waitpid(child, NULL, 0);
    pid_t pid = 0;
    expect(read(told[0], &pid, sizeof pid) == sizeof pid, "read");
    close(told[0]);
    *lifeline = life[1];
    return pid;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    ready();
    wait_for_go();
    if (!was_restored())
        pass(); // The orphans' process 1 is another's affair.
    int first, second;
    pid_t ended = orphan(&first, NULL);
    close(first);
    for (int n = 0; n < 5000 && kill(ended, 0) == 0; n++)
        short_sleep();
    expect(kill(ended, 0) < 0 && errno == ESRCH, "the orphan %d was not waited for", ended);
    orphan(&second, "alive");
    pass();
}
