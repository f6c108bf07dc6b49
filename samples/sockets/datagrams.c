// Unix datagram sockets with names: who sent what waits to be read, from one with a name and from one
// without; connected in one direction, in both, in a row.
//#Variants: path abstract
#include "unix.h"

static int is_from(int fd, const char *text, const char *name) {
    struct sockaddr_un from, wanted;
    socklen_t length = sizeof from;
    char buffer[64];
    memset(&from, 0, sizeof from);
    ssize_t got = recvfrom(fd, buffer, sizeof buffer, MSG_DONTWAIT, (struct sockaddr *)&from, &length);
    if (got != (ssize_t)strlen(text) || memcmp(buffer, text, (size_t)got) != 0)
        return 0;
    if (!name[0])
        return length == 0;
    socklen_t expected = name_of(&wanted, name);
    return length == expected && memcmp(&from, &wanted, length) == 0;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *kind = argc > 2 ? argv[2] : "path";
    char names[4][64];
    int s[4];
    for (int i = 0; i < 4; i++) {
        char base[8];
        snprintf(base, sizeof base, "d%d", i);
        snprintf(names[i], sizeof names[i], "%s", own_name(kind, base));
        s[i] = bound(SOCK_DGRAM, names[i]);
    }
    int nobody = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct sockaddr_un to;
    socklen_t length = name_of(&to, names[0]);
    expect(sendto(s[1], "one", 3, 0, (struct sockaddr *)&to, length) == 3, "sendto");
    expect(sendto(nobody, "none", 4, 0, (struct sockaddr *)&to, length) == 4, "sendto");
    expect(sendto(s[2], "", 0, 0, (struct sockaddr *)&to, length) == 0, "sendto");
    // 0 and 1 are connected to each other, 3 to 2 to 0, which therefore takes nothing of it any more.
    connect_to(s[0], names[1]);
    connect_to(s[1], names[0]);
    connect_to(s[3], names[2]);
    expect(says(s[1], "two") && says(s[3], "down"), "send");
    set_option(s[2], SOL_SOCKET, SO_PASSCRED, 1);
    expect(says(s[3], "who"), "send");

    ready();
    wait_for_go();
    SPOIL(1, is_from(s[0], "one", names[1]));
    SPOIL(2, says(s[0], "more"));
    SPOIL(3, connect_to(s[3], names[3]));

    expect(has_name(s[0], 1, names[1]) && has_name(s[1], 1, names[0]) && has_name(s[3], 1, names[2]), "other ends");
    expect(has_name(s[0], 0, names[0]) && !has_name(s[2], 1, names[0]), "names");
    expect(is_from(s[0], "one", names[1]) && is_from(s[0], "none", "") && is_from(s[0], "", names[2]), "messages");
    expect(is_from(s[0], "two", names[1]) && is_empty(s[0]) && is_empty(s[1]), "the last message");
    expect(is_from(s[2], "down", names[3]), "message before credentials were asked for");
    union {
        char bytes[CMSG_SPACE(sizeof(struct ucred))];
        struct cmsghdr align;
    } control;
    struct iovec piece = {&(char[8]){0}, 8};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    expect(recvmsg(s[2], &message, MSG_DONTWAIT) == 3 && CMSG_FIRSTHDR(&message), "credentials");
    struct ucred sender;
    memcpy(&sender, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof sender);
    expect((pid_t)sender.pid == getpid() && sender.uid == getuid() && sender.gid == getgid(), "sender %d", sender.pid);
    expect(sendto(s[2], "x", 1, 0, (struct sockaddr *)&to, length) == -1 && errno == EPERM, "0 takes only of 1");
    expect(says(s[0], "back") && is_from(s[1], "back", names[0]), "goes on");
    pass();
}
