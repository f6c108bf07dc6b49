// Unix sockets with names, connected within the program: at paths, also relative and removed ones, in the
// abstract name space, given by the kernel; the listening socket still there or closed.
//#Variants: path abstract relative removed automatic orphans packets
#include "unix.h"

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *variant = argc > 2 ? argv[2] : "path";
    int type = !strcmp(variant, "packets") ? SOCK_SEQPACKET : SOCK_STREAM;
    int is_abstract = !strcmp(variant, "abstract") || !strcmp(variant, "orphans");
    char folder[200], path[280];
    expect(getcwd(folder, sizeof folder) != NULL, "getcwd");
    // Long paths do not fit; the folder's own name is long enough to be one.
    snprintf(path, sizeof path, "%s/s", folder);
    const char *server_name = is_abstract ? own_name("abstract", "server") : !strcmp(variant, "relative") || strlen(path) > 100 ? "s" : path;
    const char *client_name = own_name(is_abstract ? "abstract" : "path", "client");
    umask(027);
    int server = bound(type, server_name);
    umask(022);
    expect(listen(server, 7) == 0, "listen");
    int plain = socket(AF_UNIX, type | SOCK_NONBLOCK, 0), named = bound(type, client_name);
    connect_to(plain, server_name);
    connect_to(named, server_name);
    int accepted[2] = {accept(server, NULL, NULL), accept(server, NULL, NULL)};
    expect(accepted[0] >= 0 && accepted[1] >= 0, "accept");
    int idle = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct sockaddr_un automatic = {.sun_family = AF_UNIX}, now;
    socklen_t automatic_length = sizeof automatic, length = sizeof now;
    if (!strcmp(variant, "automatic")) {
        expect(bind(idle, (struct sockaddr *)&automatic, sizeof(sa_family_t)) == 0, "bind");
        getsockname(idle, (struct sockaddr *)&automatic, &automatic_length);
    }
    if (!strcmp(variant, "removed"))
        expect(unlink(server_name) == 0, "unlink");
    int closed = !strcmp(variant, "orphans");
    if (closed)
        close(server);
    expect(says(plain, "one") && says(accepted[0], "two") && says(named, "three") && says(accepted[1], "four"), "send");

    ready();
    wait_for_go();
    SPOIL(1, reads(plain, "two"));
    SPOIL(2, close(accepted[1]));
    SPOIL(3, fcntl(plain, F_SETFL, 0));

    expect(has_name(plain, 0, "") && has_name(plain, 1, server_name), "names of a client");
    expect(has_name(named, 0, client_name) && has_name(named, 1, server_name), "names of a client with a name");
    expect(has_name(accepted[0], 0, server_name) && has_name(accepted[0], 1, ""), "names of what was accepted");
    expect(has_name(accepted[1], 0, server_name) && has_name(accepted[1], 1, client_name), "names of the other");
    expect((fcntl(plain, F_GETFL) & O_NONBLOCK) != 0 && (fcntl(accepted[0], F_GETFL) & O_NONBLOCK) == 0, "flags");
    expect(reads(plain, "two") && reads(accepted[0], "one") && reads(named, "four") && reads(accepted[1], "three"), "content");
    expect(says(plain, "x") && reads(accepted[0], "x") && says(accepted[1], "y") && reads(named, "y"), "goes on");
    struct stat stat_of;
    if (!strcmp(variant, "path") || !strcmp(variant, "relative"))
        expect(stat(server_name, &stat_of) == 0 && (stat_of.st_mode & 07777) == 0750, "mode %o", stat_of.st_mode);
    if (!strcmp(variant, "removed"))
        expect(stat(server_name, &stat_of) == -1 && errno == ENOENT && has_name(server, 0, server_name), "removed");
    if (!strcmp(variant, "automatic")) {
        expect(getsockname(idle, (struct sockaddr *)&now, &length) == 0 && length == automatic_length, "automatic");
        expect(memcmp(&now, &automatic, length) == 0, "name that the kernel gave");
    }
    if (!closed && strcmp(variant, "removed") != 0) {
        expect(option_of(server, SOL_SOCKET, SO_ACCEPTCONN) == 1, "listening");
        int later = socket(AF_UNIX, type, 0);
        connect_to(later, server_name);
        int taken = accept(server, NULL, NULL);
        expect(taken >= 0 && says(later, "new") && reads(taken, "new"), "takes new connections");
    }
    pass();
}
