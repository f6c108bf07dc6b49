// Leases: who opens the file afterwards has to wait, and the holder is told by the signal that it chose.
//#Variants: read write nameless
#include "../lib/sample.h"
#include <poll.h>
#include <sys/wait.h>

#define SETLEASE 1024
#define GETLEASE 1025

static volatile int told, about = -1;
static void on_signal(int number, siginfo_t *info, void *context) {
    (void)context;
    told = number;
    about = info->si_fd;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *kind = argc > 2 ? argv[2] : "read";
    int reads = strcmp(kind, "read") == 0, nameless = strcmp(kind, "nameless") == 0;
    make_file("leased", "contents", 8);
    int file = open("leased", reads ? O_RDONLY : O_RDWR);
    expect(file >= 0, "open");
    if (nameless)
        unlink("leased");
    struct sigaction act = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    expect(sigaction(SIGRTMIN + 2, &act, NULL) == 0, "sigaction");
    expect(fcntl(file, F_SETSIG, SIGRTMIN + 2) == 0, "F_SETSIG");
    expect(fcntl(file, SETLEASE, reads ? F_RDLCK : F_WRLCK) == 0, "F_SETLEASE");
    ready();
    wait_for_go();
    SPOIL(1, fcntl(file, SETLEASE, F_UNLCK));
    SPOIL(2, fcntl(file, F_SETSIG, SIGRTMIN + 3); signal(SIGRTMIN + 3, SIG_IGN));

    expect(told == 0, "the checkpoint has broken it");
    expect(fcntl(file, GETLEASE) == (reads ? F_RDLCK : F_WRLCK), "lease %d", fcntl(file, GETLEASE));
    char text[9] = "", path[64];
    expect(pread(file, text, 8, 0) == 8 && strcmp(text, "contents") == 0, "contents");
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    pid_t child = fork();
    if (child == 0) {
        int other = open(path, O_WRONLY | O_NONBLOCK);
        _exit(other < 0 && errno == EWOULDBLOCK ? 0 : 1);
    }
    int status = -1;
    while (waitpid(child, &status, 0) != child)
        expect(errno == EINTR, "wait");
    expect(status == 0, "nobody has to wait for it");
    for (int i = 0; i < 5000 && !told; i++)
        short_sleep();
    expect(told == SIGRTMIN + 2 && about == file, "signal %d about %d", told, about);
    expect(fcntl(file, SETLEASE, F_UNLCK) == 0, "F_UNLCK");
    pass();
}
