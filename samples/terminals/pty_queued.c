// What is under way in a pseudoterminal of the program's own, in both directions: lines that were typed, one that
// is not finished, ends of input, bytes as they are, output; as much as fits, and output that was stopped.
//#Variants: lines unfinished ends bytes output both full_in full_out full_lines stopped stopped_flow epoll
#include "pty.h"
#include <sys/epoll.h>

static char much[1 << 16];

// Writes until nothing goes in any more; tells how much.
static size_t stuff(int fd, const char *from, size_t piece) {
    size_t all = 0;
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    for (int tries = 0; tries < 50;) {
        ssize_t got = write(fd, from + all, piece);
        if (got > 0) {
            all += (size_t)got;
            continue;
        }
        // The kernel moves it on.
        tries++;
        short_sleep();
    }
    fcntl(fd, F_SETFL, flags);
    return all;
}

static void take_all(int fd, const char *wanted, size_t length) {
    static char got[1 << 16];
    size_t all = 0;
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    for (int tries = 0; tries < 5000 && all < length;) {
        ssize_t count = read(fd, got + all, sizeof got - all);
        if (count > 0) {
            all += (size_t)count;
            continue;
        }
        tries++;
        short_sleep();
    }
    fcntl(fd, F_SETFL, flags);
    expect(all == length, "%zu bytes instead of %zu", all, length);
    expect(memcmp(got, wanted, length) == 0, "other bytes");
    hear_nothing(fd);
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *variant = argc > 2 ? argv[2] : "lines";
#define is(name) (strcmp(variant, name) == 0)
    for (size_t i = 0; i < sizeof much; i++)
        much[i] = (char)('a' + pattern_word(7, i) % 26);
    struct pty pty = open_pty();
    size_t amount = 0;
    int epoll = -1;
    if (!is("unfinished") && !is("both"))
        set_echo(pty.slave, 0);
    if (is("lines")) {
        // A line, an empty one, one with bytes that have a meaning, made ordinary.
        put(pty.master, "one\n\ntwo \026\004\026\026\026\003\026\n\026\023x\n", 21);
        settle(pty.slave, 16);
    } else if (is("unfinished")) {
        say(pty.master, "whole\nparx");
        hear(pty.master, "whole\r\nparx");
    } else if (is("ends")) {
        // Input ends in the middle of a line, at the beginning of one, and once more.
        put(pty.master, "half\004\004line\n\004rest", 16);
        settle(pty.slave, 9);
    } else if (is("bytes")) {
        set_raw(pty.slave);
        put(pty.master, "a\0b\n\r\003\004\021\023\026\377z", 12);
        settle(pty.slave, 12);
    } else if (is("output")) {
        say(pty.slave, "line\n\tand more\001\004");
    } else if (is("both")) {
        say(pty.master, "typed\n");
        settle(pty.master, 7);
        say(pty.slave, "shown");
        settle(pty.master, 12);
    } else if (is("full_in")) {
        set_raw(pty.slave);
        amount = stuff(pty.master, much, 1000);
    } else if (is("full_out")) {
        set_raw(pty.slave);
        amount = stuff(pty.slave, much, 1000);
    } else if (is("full_lines")) {
        for (size_t i = 63; i < 4032; i += 64)
            much[i] = '\n';
        put(pty.master, much, 4032);
        settle(pty.slave, 4032);
    } else if (is("stopped")) {
        say(pty.slave, "before");
        say(pty.master, "typed\n\023");
        while (can_write(pty.slave))
            short_sleep();
    } else if (is("stopped_flow")) {
        struct termios modes;
        tcgetattr(pty.slave, &modes);
        modes.c_iflag &= ~(tcflag_t)IXON;
        tcsetattr(pty.slave, TCSANOW, &modes);
        say(pty.slave, "before");
        expect(tcflow(pty.slave, TCOOFF) == 0, "stop");
    } else if (is("epoll")) {
        epoll = epoll_create1(0);
        struct epoll_event event = {.events = EPOLLIN, .data = {.u64 = 7}};
        expect(epoll_ctl(epoll, EPOLL_CTL_ADD, pty.master, &event) == 0, "master");
        event.data.u64 = 8;
        expect(epoll_ctl(epoll, EPOLL_CTL_ADD, pty.slave, &event) == 0, "slave");
        say(pty.master, "typed\n");
        settle(pty.slave, 6);
    }
    ready();
    wait_for_go();
    SPOIL(1, tcflush(pty.slave, TCIOFLUSH); tcflush(pty.master, TCIFLUSH); tcflow(pty.slave, TCOON);
          say(pty.master, "\021"));
    if (is("lines")) {
        SPOIL(2, put(pty.master, "more\n", 5));
        hear(pty.slave, "one\n");
        hear(pty.slave, "\n");
        hear(pty.slave, "two \004\026\003\n\023x\n");
        hear_nothing(pty.slave);
        hear_nothing(pty.master);
    } else if (is("unfinished")) {
        SPOIL(2, say(pty.master, "\004"));
        hear(pty.slave, "whole\n");
        hear_nothing(pty.slave);
        hear_nothing(pty.master);
        // It can still be edited.
        say(pty.master, "\177t\n");
        hear(pty.slave, "part\n");
        hear(pty.master, "\b \bt\r\n");
    } else if (is("ends")) {
        SPOIL(2, char byte; expect(read(pty.slave, &byte, 1) == 1, "a byte"));
        hear(pty.slave, "half");
        hear(pty.slave, "");
        hear(pty.slave, "line\n");
        hear(pty.slave, "");
        hear_nothing(pty.slave);
        say(pty.master, "\n");
        hear(pty.slave, "rest\n");
    } else if (is("bytes")) {
        SPOIL(2, put(pty.master, "x", 1); settle(pty.slave, 13));
        hear_bytes(pty.slave, "a\0b\n\r\003\004\021\023\026\377z", 12);
    } else if (is("output")) {
        SPOIL(2, put(pty.slave, "x", 1));
        hear(pty.master, "line\r\n\tand more\001\004");
        hear_nothing(pty.master);
        hear_nothing(pty.slave);
    } else if (is("both")) {
        SPOIL(2, say(pty.slave, "x"); settle(pty.master, 13));
        hear(pty.slave, "typed\n");
        hear(pty.master, "typed\r\nshown");
    } else if (is("full_in")) {
        SPOIL(2, char byte; expect(read(pty.slave, &byte, 1) == 1, "a byte"));
        take_all(pty.slave, much, amount);
    } else if (is("full_out")) {
        SPOIL(2, char byte; expect(read(pty.master, &byte, 1) == 1, "a byte"));
        take_all(pty.master, much, amount);
    } else if (is("full_lines")) {
        SPOIL(2, char byte; expect(read(pty.slave, &byte, 1) == 1, "a byte"));
        for (size_t i = 0; i < 4032; i += 64)
            hear_bytes(pty.slave, much + i, 64);
        hear_nothing(pty.slave);
    } else if (is("stopped")) {
        SPOIL(2, say(pty.master, "\021"); while (!can_write(pty.slave)) short_sleep());
        hear(pty.master, "before");
        hear(pty.slave, "typed\n");
        expect(!can_write(pty.slave), "output goes on");
        say(pty.master, "\021");
        while (!can_write(pty.slave))
            short_sleep();
        say(pty.slave, "after");
        hear(pty.master, "after");
    } else if (is("stopped_flow")) {
        SPOIL(2, tcflow(pty.slave, TCOON));
        hear(pty.master, "before");
        expect(!can_write(pty.slave), "output goes on");
        expect(tcflow(pty.slave, TCOON) == 0, "start");
        say(pty.slave, "after");
        hear(pty.master, "after");
    } else if (is("epoll")) {
        struct epoll_event events[4];
        SPOIL(2, epoll_ctl(epoll, EPOLL_CTL_DEL, pty.master, NULL));
        expect(epoll_wait(epoll, events, 4, 0) == 1 && events[0].data.u64 == 8, "the slave");
        hear(pty.slave, "typed\n");
        say(pty.slave, "x");
        expect(epoll_wait(epoll, events, 4, 10000) == 1 && events[0].data.u64 == 7, "the master");
    }
    pass();
}
