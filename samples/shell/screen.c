// A program that has its terminal to itself, as an editor has (tests/streams.rs): raw modes, keys of its own, a
// second descriptor by the terminal's name, a handler for changes of the window, which tells the new size.
#include "../lib/sample.h"
#include <sys/ioctl.h>
#include <termios.h>

static volatile sig_atomic_t changes;
static void on_change(int number) {
    (void)number;
    changes++;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    struct termios modes, now;
    expect(tcgetattr(0, &modes) == 0, "no terminal");
    cfmakeraw(&modes);
    modes.c_cc[VERASE] = 'e';
    modes.c_cc[VMIN] = 3;
    expect(tcsetattr(0, TCSADRAIN, &modes) == 0, "modes");
    int own = open(ttyname(0), O_RDWR | O_NONBLOCK | O_CLOEXEC);
    expect(own > 2, "the terminal's name");
    struct sigaction act = {.sa_handler = on_change};
    sigaction(SIGWINCH, &act, NULL);
    ready();
    for (int told = 0; !go_is_there(); short_sleep()) {
        if (told == changes)
            continue;
        told = changes;
        struct winsize size;
        expect(ioctl(own, TIOCGWINSZ, &size) == 0, "size");
        printf("change %d: %d rows, %d columns\r\n", told, size.ws_row, size.ws_col);
        fflush(stdout);
    }
    struct stat one, other;
    expect(tcgetattr(0, &now) == 0, "no terminal");
    expect(now.c_iflag == modes.c_iflag && now.c_oflag == modes.c_oflag && now.c_lflag == modes.c_lflag, "modes");
    expect(now.c_cc[VERASE] == 'e' && now.c_cc[VMIN] == 3, "keys");
    expect(fstat(0, &one) == 0 && fstat(own, &other) == 0 && one.st_rdev == other.st_rdev, "another terminal");
    expect((fcntl(own, F_GETFL) & O_NONBLOCK) && !(fcntl(0, F_GETFL) & O_NONBLOCK), "one description");
    pass();
}
