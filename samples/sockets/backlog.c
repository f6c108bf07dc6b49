// Connections that wait at a listening Unix socket, all of the program's own: they are accepted in their
// order, as many as were said may wait.
//#Variants: path abstract packets
#include "unix.h"

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *variant = argc > 2 ? argv[2] : "path";
    int type = !strcmp(variant, "packets") ? SOCK_SEQPACKET : SOCK_STREAM;
    const char *name = own_name(variant, "waiting");
    int server = bound(type | SOCK_NONBLOCK, name), clients[4];
    expect(listen(server, 3) == 0, "listen");
    // Numbers in another order than that of connecting.
    for (int i = 3; i >= 0; i--)
        clients[i] = socket(AF_UNIX, type | SOCK_NONBLOCK, 0);
    for (int i = 0; i < 4; i++)
        connect_to(clients[i], name);

    ready();
    wait_for_go();
    SPOIL(1, accept(server, NULL, NULL));
    SPOIL(2, close(clients[2]));

    struct sockaddr_un address;
    socklen_t length = name_of(&address, name);
    int more = socket(AF_UNIX, type | SOCK_NONBLOCK, 0);
    expect(connect(more, (struct sockaddr *)&address, length) == -1 && errno == EAGAIN, "no more may wait");
    for (int i = 0; i < 4; i++) {
        int taken = accept(server, NULL, NULL);
        expect(taken >= 0 && says(clients[i], "hello") && reads(taken, "hello"), "connection %d", i);
        expect(says(taken, "yes") && reads(clients[i], "yes"), "answer %d", i);
    }
    expect(accept(server, NULL, NULL) == -1 && errno == EAGAIN, "nobody else waits");
    pass();
}
