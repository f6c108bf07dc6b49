// Signals read from a descriptor: which ones, some that wait, two descriptions of one signal, a thread that waits.
//#Variants: empty waiting nonblocking two blocked
//#Links: pie musl
//#Flags: -pthread
#include "../lib/sample.h"
#include <poll.h>
#include <pthread.h>
#include <sys/signalfd.h>

static int fd;
static volatile unsigned taken;

static void *wait_for_it(void *unused) {
    (void)unused;
    struct signalfd_siginfo info;
    if (read(fd, &info, sizeof info) == sizeof info)
        taken = info.ssi_signo;
    return NULL;
}

static unsigned take(int from, int *value) {
    struct signalfd_siginfo info;
    struct pollfd look = {.fd = from, .events = POLLIN};
    if (poll(&look, 1, 0) != 1)
        return 0;
    expect(read(from, &info, sizeof info) == sizeof info, "read");
    if (value)
        *value = info.ssi_int;
    return info.ssi_signo;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *kind = argc > 2 ? argv[2] : "empty";
    int nonblocking = strcmp(kind, "nonblocking") == 0, other = -1, value = 0;
    int blocked = strcmp(kind, "blocked") == 0, waiting = strcmp(kind, "waiting") == 0;
    int last = SIGRTMAX;
    sigset_t set, hup;
    sigemptyset(&set);
    sigemptyset(&hup);
    sigaddset(&set, SIGHUP);
    sigaddset(&hup, SIGHUP);
    sigaddset(&set, SIGWINCH);
    sigaddset(&set, last);
    sigprocmask(SIG_BLOCK, &set, NULL);
    fd = signalfd(-1, &set, SFD_CLOEXEC | (nonblocking ? SFD_NONBLOCK : 0));
    expect(fd >= 0, "signalfd");
    if (strcmp(kind, "two") == 0)
        other = signalfd(-1, &hup, 0);
    if (waiting) {
        sigqueue(getpid(), last, (union sigval){.sival_int = 11});
        sigqueue(getpid(), last, (union sigval){.sival_int = 22});
        kill(getpid(), SIGHUP);
    }
    pthread_t thread;
    if (blocked) {
        expect(pthread_create(&thread, NULL, wait_for_it, NULL) == 0, "thread");
        struct timespec pause = {0, 20000000};
        nanosleep(&pause, NULL);
    }

    ready();
    wait_for_go();
    sigset_t fewer;
    sigemptyset(&fewer);
    SPOIL(1, signalfd(fd, &fewer, 0); if (blocked) exit(1));
    SPOIL(2, fcntl(fd, F_SETFD, 0));

    expect(fcntl(fd, F_GETFD) == FD_CLOEXEC, "close-on-exec");
    expect(fcntl(fd, F_GETFL) == (O_RDWR | (nonblocking ? O_NONBLOCK : 0)), "flags %o", fcntl(fd, F_GETFL));
    if (waiting) {
        expect(take(fd, NULL) == SIGHUP, "first");
        expect(take(fd, &value) == (unsigned)last && value == 11, "second");
        expect(take(fd, &value) == (unsigned)last && value == 22, "third");
    }
    if (blocked) {
        expect(taken == 0, "woken early");
        kill(getpid(), SIGWINCH);
        expect(pthread_join(thread, NULL) == 0 && taken == SIGWINCH, "the thread took %u", taken);
    }
    expect(take(fd, NULL) == 0, "more than there was");
    // Exactly these three.
    kill(getpid(), SIGWINCH);
    if (other >= 0)
        expect(take(other, NULL) == 0, "it reads more than its own");
    expect(take(fd, NULL) == SIGWINCH, "SIGWINCH");
    sigqueue(getpid(), last, (union sigval){.sival_int = 33});
    expect(take(fd, &value) == (unsigned)last && value == 33, "the last signal");
    kill(getpid(), SIGHUP);
    expect(take(other >= 0 ? other : fd, NULL) == SIGHUP, "SIGHUP");
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    kill(getpid(), SIGUSR1);
    expect(take(fd, NULL) == 0, "SIGUSR1 was not asked for");
    pass();
}
