// A process descriptor of the program itself: it means the restored program. Also one of its first thread.
//#Variants: process nonblocking thread shared
//#Links: pie musl
#include "../lib/sample.h"
#include <poll.h>

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *kind = argc > 2 ? argv[2] : "process";
    int nonblocking = strcmp(kind, "nonblocking") == 0, thread = strcmp(kind, "thread") == 0;
    int flags = thread ? O_EXCL /* PIDFD_THREAD */ : nonblocking ? O_NONBLOCK : 0;
    int fd = (int)syscall(434 /* pidfd_open */, getpid(), flags), copy = fcntl(fd, F_DUPFD_CLOEXEC, 50);
    expect(fd >= 0 && copy == 50, "pidfd_open");

    ready();
    wait_for_go();
    SPOIL(1, dup2(0, fd));
    SPOIL(2, dup2(0, copy));
    struct pollfd look = {.fd = fd, .events = POLLIN};
    expect(poll(&look, 1, 0) == 0, "it has ended");
    expect((fcntl(fd, F_GETFL) & ~O_LARGEFILE) == (O_RDWR | flags), "flags %o", fcntl(fd, F_GETFL));
    expect(fcntl(fd, F_GETFD) & FD_CLOEXEC, "close-on-exec");
    expect(syscall(SYS_kcmp, getpid(), getpid(), 0, fd, copy) == 0, "dup");
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    expect(syscall(424 /* pidfd_send_signal */, fd, SIGHUP, NULL, 0) == 0, "signal");
    siginfo_t info;
    expect(sigwaitinfo(&set, &info) == SIGHUP && info.si_pid == getpid(), "it means another process");
    int got = (int)syscall(438 /* pidfd_getfd */, copy, 1, 0);
    expect(got >= 0, "pidfd_getfd");
    pass();
}
