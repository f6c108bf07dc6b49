// Terminals that a checkpoint cannot carry: descriptor 7 is one end of them.
//#Variants: slave master unread used session
#include "../lib/sample.h"
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

// Leaves a descriptor to a process that is no child of this one, and that lives as long as this one does.
static void leave(int mine, int others) {
    pid_t self = getpid(), child = fork();
    expect(child >= 0, "fork");
    if (child == 0) {
        if (fork() == 0) {
            close(mine);
            while (kill(self, 0) == 0)
                short_sleep();
        }
        _exit(0);
    }
    expect(waitpid(child, NULL, 0) == child, "wait");
    close(others);
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *variant = argc > 2 ? argv[2] : "slave";
#define is(name) (strcmp(variant, name) == 0)
    int master = posix_openpt(O_RDWR | O_NOCTTY), slave = -1, on = 1;
    expect(master >= 0 && unlockpt(master) == 0, "terminal");
    if (!is("used")) {
        slave = open(ptsname(master), O_RDWR | O_NOCTTY);
        expect(slave >= 0, "slave");
    }
    expect(dup2(is("slave") ? slave : master, 7) == 7, "descriptor 7");
    if (is("slave")) {
        close(slave);
        leave(7, master);
    } else {
        close(master);
    }
    if (is("master")) {
        leave(7, slave);
    } else if (is("unread")) {
        expect(ioctl(7, TIOCPKT, &on) == 0 && tcflush(slave, TCIFLUSH) == 0, "packets");
    } else if (is("used")) {
        expect(write(7, "typed", 5) == 5, "typed");
    } else if (is("session")) {
        expect(setsid() == getpid() && ioctl(slave, TIOCSCTTY, 0) == 0, "session");
        signal(SIGHUP, SIG_IGN);
    }
    ready();
    wait_for_go();
    struct termios modes;
    char byte;
    SPOIL(1, close(7));
    expect(tcgetattr(7, &modes) == 0, "descriptor 7");
    if (is("unread"))
        expect(read(7, &byte, 1) == 1 && byte == TIOCPKT_FLUSHREAD, "the change");
    if (is("used"))
        expect(read(7, &byte, 1) == 1 && byte == 't', "the echo");
    pass();
}
