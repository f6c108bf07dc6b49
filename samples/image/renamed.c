// What has a name: working directory, files, mapped ones, Unix sockets and Internet addresses. tests/remap.rs
// restores it with other names. It tells which it has, at its start and at its end. Variant: an address.
#include "../sockets/inet.h"
#include <stddef.h>
#include <sys/un.h>

static char place[4096];

static int listening(const char *path, struct sockaddr_un *name, socklen_t length) {
    int fd = new_socket(AF_UNIX, SOCK_STREAM);
    name->sun_family = AF_UNIX;
    expect(bind(fd, (struct sockaddr *)name, length) == 0 && listen(fd, 5) == 0, "bind to %s", path);
    return fd;
}

// Where a Unix socket takes connections, and whether it does.
static const char *reached(int listener) {
    static struct sockaddr_un name;
    socklen_t length = sizeof name;
    memset(&name, 0, sizeof name);
    expect(getsockname(listener, (struct sockaddr *)&name, &length) == 0, "name");
    int client = new_socket(AF_UNIX, SOCK_STREAM);
    expect(connect(client, (struct sockaddr *)&name, length) == 0, "connect");
    int server = accept(listener, NULL, NULL);
    expect(server >= 0 && says(client, "new") && reads(server, "new"), "connection");
    close(client);
    close(server);
    return name.sun_path[0] ? name.sun_path : name.sun_path + 1;
}

static void tell(const char *what, int fd) {
    Name name = name_at(fd, 0);
    char text[64];
    const void *ip = name.any.sa_family == AF_INET6 ? (void *)&name.v6.sin6_addr : (void *)&name.v4.sin_addr;
    printf("%s %s %d\n", what, inet_ntop(name.any.sa_family, ip, text, sizeof text), port_of(fd));
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    Name at = name_of(argc > 2 ? argv[2] : "own", 0);
    expect(mkdir("here", 0700) == 0 && chdir("here") == 0 && getcwd(place, sizeof place), "here");
    make_file("data", "some data", 9);
    make_file("mapped", "on a page", 9);
    int data = open("data", O_RDWR), folder = open(".", O_RDONLY | O_DIRECTORY), mapped = open("mapped", O_RDWR);
    char *view = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, mapped, 0);
    expect(view != MAP_FAILED && close(mapped) == 0 && lseek(data, 5, SEEK_SET) == 5, "files");

    struct sockaddr_un name = {.sun_family = AF_UNIX};
    expect(snprintf(name.sun_path, sizeof name.sun_path, "%s/socket", place) < (int)sizeof name.sun_path, "path");
    int by_path = listening("socket", &name, sizeof name);
    memset(&name, 0, sizeof name);
    int named = snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "renamed-%d", getpid());
    int abstract_one = listening("an abstract name", &name, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)named));

    int server = bound(SOCK_STREAM, at), first = bound(SOCK_DGRAM, at), second = bound(SOCK_DGRAM, at);
    expect(listen(server, 5) == 0, "listen");
    int client = new_socket(at.any.sa_family, SOCK_STREAM);
    expect(connected(client, name_at(server, 0)), "connect");
    int taken = accept(server, NULL, NULL);
    expect(taken >= 0 && says(client, "kept") && happens(taken, POLLIN), "accept");
    expect(connected(second, name_at(first, 0)) && says(second, "packet") && happens(first, POLLIN), "datagram");

    tell("tcp", server);
    tell("udp", first);
    ready();
    wait_for_go();

    char text[16] = "", path[4096] = "", cwd[4096], link[32];
    expect(read(data, text, 9) == 4 && memcmp(text, "data", 4) == 0, "data");
    expect(write(data, "!", 1) == 1 && memcmp(view, "on a page", 9) == 0, "files");
    view[0] = 'O';
    int again = openat(folder, "mapped", O_RDONLY);
    expect(read(again, text, 9) == 9 && memcmp(text, "On a page", 9) == 0, "another file");
    struct stat one, other;
    expect(stat("data", &one) == 0 && fstat(data, &other) == 0 && one.st_size == 10, "data");
    expect(reads(taken, "kept") && says(taken, "back") && happens(client, POLLIN) && reads(client, "back"), "connection");
    Name there = name_at(server, 0), from = name_at(second, 0), sender = {.length = sizeof sender.v6};
    expect(has_name(client, 1, &there) && has_name(taken, 0, &there) && takes_connections(server, there), "server");
    ssize_t got = recvfrom(first, text, sizeof text, MSG_DONTWAIT, &sender.any, &sender.length);
    expect(got == 6 && memcmp(&sender, &from, from.length) == 0, "sender of a datagram");
    expect(says(second, "more") && happens(first, POLLIN) && reads(first, "more"), "datagrams");

    snprintf(link, sizeof link, "/proc/self/fd/%d", data);
    expect(getcwd(cwd, sizeof cwd) && readlink(link, path, sizeof path - 1) > 0, "paths");
    printf("cwd %s\ndata %s\nsocket %s\n", cwd, path, reached(by_path));
    printf("abstract %s\n", reached(abstract_one));
    tell("tcp", server);
    tell("udp", first);
    pass();
}
