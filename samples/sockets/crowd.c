// Many connections by the name of a Unix socket that listens, each with what the other end has said: all of them have
// the partner that they had, whoever else connects at the time of the restore (tests/restores.rs).
#include "unix.h"

enum { COUNT = 150 };

static int says_number(int fd, int number) { return send(fd, &number, sizeof number, MSG_DONTWAIT) == sizeof number; }

static int reads_number(int fd, int number) {
    int got = -1;
    return recv(fd, &got, sizeof got, MSG_DONTWAIT) == sizeof got && got == number;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    static int client[COUNT], server[COUNT];
    int listener = bound(SOCK_STREAM, "crowd");
    expect(listen(listener, 8) == 0, "listen");
    for (int i = 0; i < COUNT; i++) {
        client[i] = socket(AF_UNIX, SOCK_STREAM, 0);
        connect_to(client[i], "crowd");
        server[i] = accept(listener, NULL, NULL);
        expect(server[i] >= 0 && says_number(client[i], i) && says_number(server[i], COUNT + i), "connection %d", i);
    }

    ready();
    wait_for_go();
    SPOIL(1, reads_number(client[7], COUNT + 7));
    SPOIL(2, dup2(client[8], client[9]));

    for (int i = 0; i < COUNT; i++) {
        expect(reads_number(server[i], i) && reads_number(client[i], COUNT + i), "what was said");
        expect(says_number(client[i], i) && reads_number(server[i], i), "connection %d", i);
    }
    pass();
}
