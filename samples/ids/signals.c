// Restored with `--pid same`: what is sent to the restoring command arrives here, once, with its value. It says
// each signal with number, si_code and value; SIGTERM ends it with status 3, SIGINT kills it.
#include "../lib/sample.h"

static void say(int number, siginfo_t *info, void *context) {
    (void)context;
    char line[80];
    int value = info->si_code == SI_QUEUE ? info->si_value.sival_int : 0;
    int len = snprintf(line, sizeof line, "signal %d code %d value %d\n", number, info->si_code, value);
    if (write(1, line, (size_t)len) < 0)
        _exit(1);
    if (number == SIGTERM)
        _exit(3);
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    struct sigaction action = {.sa_sigaction = say, .sa_flags = SA_SIGINFO | SA_RESTART};
    for (int number = 1; number <= 64; number++) {
        // Those that cannot be caught, the libraries' own, the checkpoint's, and the ones that are to act.
        static const int others[] = {SIGKILL, SIGSTOP, 32, 33, SIGUSR2, SIGINT, SIGTSTP, 0};
        const int *other = others;
        while (*other && *other != number)
            other++;
        if (*other)
            continue;
        expect(sigaction(number, &action, NULL) == 0, "signal %d", number);
    }
    ready();
    wait_for_go();
    pass();
}
