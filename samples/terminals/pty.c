// Pseudoterminals of which the program has master and slave: modes, window size, lock, packet mode, who else
// may open it; ends that are closed, opened several times, or in the place of a standard stream.
//#Variants: modes size packets locked unlocked exclusive closed hung_up several standard flags waiting
//#Flags: -pthread
#include "pty.h"

static struct pty pty;
static char heard[16];

static void *listen_to(void *unused) {
    ssize_t got = read(pty.slave, heard, sizeof heard - 1);
    expect(got == 5, "%zd bytes", got);
    return unused;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *variant = argc > 2 ? argv[2] : "modes";
#define is(name) (strcmp(variant, name) == 0)
    struct pty other = {-1, -1};
    struct termios modes, before;
    struct winsize size = {33, 121, 1000, 700};
    int copy = -1, extra = -1, on = 1;
    pthread_t thread;
    pty.slave = -1;
    if (is("locked") || is("unlocked"))
        pty.master = open_master();
    else
        pty = open_pty();
    if (is("modes")) {
        expect(tcgetattr(pty.slave, &modes) == 0, "modes");
        modes.c_iflag = IXOFF | IGNPAR | ISTRIP;
        modes.c_oflag = OPOST | OCRNL;
        modes.c_lflag = ICANON | ECHONL | IEXTEN | NOFLSH;
        modes.c_cc[VERASE] = 'z';
        modes.c_cc[VKILL] = 'k';
        modes.c_cc[VEOL] = ';';
        modes.c_cc[VINTR] = 'i';
        cfsetospeed(&modes, B9600);
        cfsetispeed(&modes, B9600);
        expect(tcsetattr(pty.slave, TCSANOW, &modes) == 0, "set modes");
        expect(tcgetattr(pty.slave, &before) == 0, "modes");
    } else if (is("size")) {
        expect(ioctl(pty.slave, TIOCSWINSZ, &size) == 0, "size");
    } else if (is("packets")) {
        expect(ioctl(pty.master, TIOCPKT, &on) == 0, "packets");
        say(pty.slave, "word");
    } else if (is("unlocked")) {
        int locked = 0;
        expect(ioctl(pty.master, TIOCSPTLCK, &locked) == 0, "unlock");
    } else if (is("exclusive")) {
        expect(ioctl(pty.slave, TIOCEXCL) == 0, "exclusive");
        say(pty.master, "line\n");
        settle(pty.slave, 5);
    } else if (is("closed")) {
        set_echo(pty.slave, 0);
        say(pty.slave, "last words");
        say(pty.master, "unread\n");
        settle(pty.slave, 7);
        close(pty.slave);
    } else if (is("hung_up")) {
        close(pty.master);
    } else if (is("several")) {
        other = open_pty();
        copy = dup(pty.master);
        extra = open_slave(pty.master);
        set_echo(pty.slave, 0);
        set_raw(other.slave);
        say(pty.master, "first\n");
        say(other.slave, "second");
        say(other.master, "third");
        settle(other.slave, 5);
    } else if (is("standard")) {
        set_echo(pty.slave, 0);
        expect(dup2(pty.slave, 0) == 0 && close(pty.slave) == 0, "standard input");
        pty.slave = 0;
        say(pty.master, "typed\n");
    } else if (is("flags")) {
        extra = ioctl(pty.master, TIOCGPTPEER, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
        expect(extra >= 0, "another slave");
        expect(fcntl(pty.master, F_SETFL, O_NONBLOCK) == 0, "flags");
        expect(fchmod(pty.slave, 0600) == 0, "mode");
    } else if (is("waiting")) {
        set_echo(pty.slave, 0);
        expect(pthread_create(&thread, NULL, listen_to, NULL) == 0, "thread");
    }
    ready();
    wait_for_go();
    if (is("modes")) {
        SPOIL(1, cfmakeraw(&modes); tcsetattr(pty.slave, TCSANOW, &modes));
        expect(tcgetattr(pty.master, &modes) == 0, "modes");
        expect(modes.c_iflag == before.c_iflag && modes.c_oflag == before.c_oflag, "input or output");
        expect(modes.c_cflag == before.c_cflag && modes.c_lflag == before.c_lflag, "control or local");
        expect(memcmp(modes.c_cc, before.c_cc, 19) == 0, "keys");
        expect(cfgetospeed(&modes) == cfgetospeed(&before), "speed");
        say(pty.master, "nokline;");
        hear(pty.slave, "line;");
    } else if (is("size")) {
        struct winsize got;
        SPOIL(1, size.ws_row++; ioctl(pty.slave, TIOCSWINSZ, &size); size.ws_row--);
        expect(ioctl(pty.slave, TIOCGWINSZ, &got) == 0 && memcmp(&got, &size, sizeof got) == 0, "size");
        expect(ioctl(pty.master, TIOCGWINSZ, &got) == 0 && memcmp(&got, &size, sizeof got) == 0, "size");
    } else if (is("packets")) {
        SPOIL(1, on = 0; ioctl(pty.master, TIOCPKT, &on));
        expect(asked(pty.master, TIOCGPKT) == 1, "packet mode");
        hear_bytes(pty.master, "\0word", 5);
        tcflush(pty.slave, TCIFLUSH);
        hear_bytes(pty.master, "\1", 1);
    } else if (is("locked") || is("unlocked")) {
        SPOIL(1, int change = is("unlocked"); ioctl(pty.master, TIOCSPTLCK, &change));
        expect(asked(pty.master, TIOCGPTLCK) == is("locked"), "lock");
        hear_nothing(pty.master);
        pty.slave = open_slave(pty.master);
        say(pty.slave, "opened");
        hear(pty.master, "opened");
    } else if (is("exclusive")) {
        SPOIL(1, ioctl(pty.slave, TIOCNXCL));
        expect(asked(pty.slave, TIOCGEXCL) == 1 && asked(pty.master, TIOCGEXCL) == 0, "exclusive");
        settle(pty.slave, 5);
        hear(pty.slave, "line\n");
        hear(pty.master, "line\r\n");
    } else if (is("closed")) {
        SPOIL(1, tcflush(pty.master, TCIFLUSH));
        hear(pty.master, "last words");
        char byte;
        expect(read(pty.master, &byte, 1) == -1 && errno == EIO, "no hang-up");
        pty.slave = open_slave(pty.master);
        hear(pty.slave, "unread\n");
    } else if (is("hung_up")) {
        SPOIL(1, close(pty.slave); open("/dev/null", O_RDWR));
        char byte;
        expect(read(pty.slave, &byte, 1) == 0, "an end");
        expect(write(pty.slave, "x", 1) == -1 && errno == EIO, "write");
        expect(tcgetattr(pty.slave, &modes) == -1 && errno == EIO, "modes");
    } else if (is("several")) {
        SPOIL(1, dup2(other.master, pty.master));
        expect(asked(copy, TIOCGPTN) == asked(pty.master, TIOCGPTN), "copy of the master");
        expect(asked(other.master, TIOCGPTN) != asked(pty.master, TIOCGPTN), "two terminals");
        hear(extra, "first\n");
        hear(other.master, "second");
        hear(other.slave, "third");
        say(extra, "a");
        hear(copy, "a");
        close(pty.slave);
        say(extra, "b");
        hear(pty.master, "b");
    } else if (is("standard")) {
        SPOIL(1, close(0); open("/dev/null", O_RDONLY));
        hear(0, "typed\n");
        say(0, "answer");
        hear(pty.master, "answer");
    } else if (is("flags")) {
        SPOIL(1, fcntl(extra, F_SETFL, 0));
        struct stat about;
        expect(fcntl(pty.master, F_GETFL) & O_NONBLOCK, "master");
        expect(!(fcntl(pty.slave, F_GETFL) & O_NONBLOCK), "slave");
        expect((fcntl(extra, F_GETFL) & (O_ACCMODE | O_NONBLOCK)) == O_NONBLOCK, "another slave");
        expect(fcntl(extra, F_GETFD) == FD_CLOEXEC && fcntl(pty.slave, F_GETFD) == 0, "close-on-exec");
        expect(fstat(pty.slave, &about) == 0 && (about.st_mode & 0777) == 0600, "mode");
    } else if (is("waiting")) {
        SPOIL(1, strcpy(heard, "x"); say(pty.master, "\n"); short_sleep());
        say(pty.master, "line\n");
        pthread_join(thread, NULL);
        expect(strcmp(heard, "line\n") == 0, "%s", heard);
    }
    pass();
}
