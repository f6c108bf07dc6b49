// A program with its own handler for SIGUSR2 keeps it, and --checkpoint works all the same.
//#Ask: command
#include "../lib/sample.h"

static volatile int calls;
static void on_usr2(int number) { calls += number == SIGUSR2; }

int main(int argc, char **argv) {
    sample_start(argc, argv);
    signal(SIGUSR2, on_usr2);
    kill(getpid(), SIGUSR2);
    expect(calls == 1, "%d calls before", calls);

    ready();
    wait_for_go();
    SPOIL(1, signal(SIGUSR2, SIG_IGN));

    expect(calls == 1, "a checkpoint called the program's handler");
    kill(getpid(), SIGUSR2);
    expect(calls == 2, "%d calls", calls);
    pass();
}
