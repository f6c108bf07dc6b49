// Children that have ended and were not waited for: their exit status or signal, in their order; process groups;
// ones without SIGCHLD; SIGCHLD that waits; ones that the program does not want to wait for any more.
//#Variants: codes signals order groups clone waiting handled ignored adopted thread
//#Flags: -pthread
#include "../lib/sample.h"
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

static volatile sig_atomic_t told;
static void on_end(int number) {
    (void)number;
    told++;
}

// Waits until the child has ended, and leaves it.
static void see(pid_t pid) {
    siginfo_t info;
    expect(waitid(pid == -1 ? P_ALL : P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | __WALL) == 0, "no child");
}

static pid_t child(int code) {
    pid_t pid = fork();
    expect(pid >= 0, "fork");
    if (pid == 0) {
        // One that is to die leaves no core file.
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        if (code < 0) {
            signal(-code, SIG_DFL);
            kill(getpid(), -code);
        }
        _exit(code);
    }
    see(pid);
    return pid;
}

static void take_exit(pid_t of, int code) {
    int status;
    pid_t got = waitpid(of, &status, WNOHANG | __WALL);
    expect(got > 0, "no child with %d", code);
    expect(WIFEXITED(status) && WEXITSTATUS(status) == code, "status %x instead of exit %d", (unsigned)status, code);
}

static void take_signal(int number) {
    int status;
    expect(waitpid(-1, &status, WNOHANG) > 0, "no child with signal %d", number);
    expect(WIFSIGNALED(status) && WTERMSIG(status) == number, "status %x instead of signal %d", (unsigned)status, number);
}

static void none_left(void) {
    expect(waitpid(-1, NULL, WNOHANG | __WALL) == -1 && errno == ECHILD, "another child");
}

static void *make(void *unused) {
    child(12);
    return unused;
}

static const int codes[] = {0, 1, 127, 128, 255};
static const int signals[] = {SIGTERM, SIGKILL, SIGSEGV, SIGABRT, SIGINT, SIGPIPE, SIGUSR1};
#define COUNT(list) (sizeof(list) / sizeof *(list))

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *variant = argc > 2 ? argv[2] : "codes";
#define is(name) (strcmp(variant, name) == 0)
    sigset_t end;
    sigemptyset(&end);
    sigaddset(&end, SIGCHLD);
    pid_t group = 0, pid = 0;
    if (is("codes")) {
        for (size_t i = 0; i < COUNT(codes); i++)
            child(codes[i]);
    } else if (is("signals")) {
        for (size_t i = 0; i < COUNT(signals); i++)
            child(-signals[i]);
    } else if (is("order")) {
        for (int i = 0; i < 40; i++)
            child(i);
    } else if (is("groups")) {
        // A job of two, and one in the program's own group.
        group = fork();
        if (group == 0) {
            setpgid(0, 0);
            _exit(1);
        }
        see(group);
        pid = fork();
        if (pid == 0)
            _exit(setpgid(0, group) == 0 ? 2 : 99);
        see(pid);
        child(3);
    } else if (is("clone")) {
        pid = (pid_t)syscall(SYS_clone, 0, NULL, NULL, NULL, NULL);
        if (pid == 0)
            _exit(7);
        see(pid);
    } else if (is("waiting")) {
        sigprocmask(SIG_BLOCK, &end, NULL);
        pid = child(9);
    } else if (is("handled")) {
        signal(SIGCHLD, on_end);
        child(4);
        child(5);
        expect(told == 2, "SIGCHLD came %d times", told);
    } else if (is("ignored")) {
        child(6);
        signal(SIGCHLD, SIG_IGN);
    } else if (is("adopted")) {
        // One that was somebody else's child.
        expect(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0, "subreaper");
        int ends[2];
        expect(pipe(ends) == 0, "pipe");
        pid = fork();
        if (pid == 0) {
            if (fork() == 0) {
                char byte;
                close(ends[1]);
                _exit(read(ends[0], &byte, 1) == 0 ? 8 : 99);
            }
            _exit(0);
        }
        expect(waitpid(pid, NULL, 0) == pid, "its parent");
        close(ends[0]);
        close(ends[1]);
        see(-1);
    } else if (is("thread")) {
        pthread_t thread;
        expect(pthread_create(&thread, NULL, make, NULL) == 0 && pthread_join(thread, NULL) == 0, "thread");
    }
    ready();
    wait_for_go();
    SPOIL(1, while (waitpid(-1, NULL, WNOHANG | __WALL) > 0));
    SPOIL(2, child(77));
    if (is("codes")) {
        for (size_t i = 0; i < COUNT(codes); i++)
            take_exit(-1, codes[i]);
    } else if (is("signals")) {
        for (size_t i = 0; i < COUNT(signals); i++)
            take_signal(signals[i]);
    } else if (is("order")) {
        for (int i = 0; i < 40; i++)
            take_exit(-1, i);
    } else if (is("groups")) {
        take_exit(0, 3);
        siginfo_t first;
        expect(waitid(P_ALL, 0, &first, WEXITED | WNOWAIT | WNOHANG) == 0 && first.si_status == 1, "the first");
        take_exit(-first.si_pid, 1);
        take_exit(-1, 2);
    } else if (is("clone")) {
        expect(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "a child with SIGCHLD");
        take_exit(-1, 7);
    } else if (is("waiting")) {
        siginfo_t info, first;
        struct timespec now = {0, 0};
        expect(sigtimedwait(&end, &info, &now) == SIGCHLD, "no SIGCHLD");
        expect(info.si_code == CLD_EXITED && info.si_status == 9, "another end");
        expect(waitid(P_ALL, 0, &first, WEXITED | WNOWAIT | WNOHANG) == 0 && first.si_pid == info.si_pid, "another child");
        expect(sigtimedwait(&end, &info, &now) == -1, "SIGCHLD twice");
        take_exit(info.si_pid, 9);
    } else if (is("handled")) {
        expect(told == 2, "SIGCHLD came %d times", told);
        take_exit(-1, 4);
        take_exit(-1, 5);
        child(0);
        expect(told == 3, "no SIGCHLD any more");
        take_exit(-1, 0);
    } else if (is("ignored")) {
        take_exit(-1, 6);
        struct sigaction act;
        expect(sigaction(SIGCHLD, NULL, &act) == 0 && act.sa_handler == SIG_IGN, "not ignored");
    } else if (is("adopted")) {
        take_exit(-1, 8);
    } else if (is("thread")) {
        take_exit(-1, 12);
    }
    none_left();
    pass();
}
