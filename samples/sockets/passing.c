// Descriptors under way in messages of Unix sockets: of files that are open besides, and of some that are
// open nowhere else; which bytes of a stream they come with; one that is under way in its own queue.
//#Variants: stream dgram seqpacket
#include "unix.h"

static void pass_on(int to, const char *text, const int *descriptors, int count) {
    union {
        char bytes[CMSG_SPACE(16 * sizeof(int))];
        struct cmsghdr align;
    } control;
    memset(&control, 0, sizeof control);
    struct iovec piece = {(void *)text, strlen(text)};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control.bytes};
    message.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
    memcpy(CMSG_DATA(head), descriptors, (size_t)count * sizeof(int));
    expect(sendmsg(to, &message, 0) == (ssize_t)strlen(text), "sendmsg");
}

// Reads once: the text and how many descriptors came with it.
static int take(int from, size_t most, const char *text, int *descriptors) {
    union {
        char bytes[CMSG_SPACE(16 * sizeof(int))];
        struct cmsghdr align;
    } control;
    char buffer[256];
    struct iovec piece = {buffer, most};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    ssize_t got = recvmsg(from, &message, MSG_DONTWAIT);
    expect(got == (ssize_t)strlen(text) && memcmp(buffer, text, (size_t)got) == 0, "%zd bytes, not \"%s\"", got, text);
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (!head)
        return 0;
    int count = (int)((head->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(descriptors, CMSG_DATA(head), (size_t)count * sizeof(int));
    return count;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *variant = argc > 2 ? argv[2] : "stream";
    int type = !strcmp(variant, "dgram") ? SOCK_DGRAM : !strcmp(variant, "seqpacket") ? SOCK_SEQPACKET : SOCK_STREAM;
    int ends[2], inner[2], tube[2], got[16];
    expect(socketpair(AF_UNIX, type, 0, ends) == 0, "socketpair");
    int kept = open("kept", O_RDWR | O_CREAT, 0600);
    int gone = open("gone", O_RDWR | O_CREAT, 0600);
    expect(kept >= 0 && gone >= 0 && write(kept, "0123456789", 10) == 10 && write(gone, "abcdef", 6) == 6, "files");
    lseek(kept, 3, SEEK_SET);
    lseek(gone, 2, SEEK_SET);
    expect(pipe(tube) == 0 && write(tube[1], "in the pipe", 11) == 11, "pipe");
    expect(socketpair(AF_UNIX, SOCK_STREAM, 0, inner) == 0 && says(inner[0], "deep"), "socketpair");
    pass_on(inner[0], "er", &tube[0], 1);
    expect(says(ends[0], "plain"), "send");
    pass_on(ends[0], "with three", (int[]){kept, gone, inner[1]}, 3);
    pass_on(ends[0], "self", (int[]){ends[1]}, 1);
    expect(says(ends[0], "end"), "send");
    close(gone);
    close(inner[1]);
    close(tube[0]);

    ready();
    wait_for_go();
    SPOIL(1, recv(ends[1], (char[6]){0}, 6, 0));
    SPOIL(2, lseek(kept, 4, SEEK_SET));
    SPOIL(3, says(inner[0], "more"));

    if (type == SOCK_STREAM) {
        expect(take(ends[1], 4, "plai", got) == 0, "before the descriptors");
        expect(take(ends[1], 200, "nwith three", got) == 3, "with the descriptors");
    } else {
        expect(take(ends[1], 200, "plain", got) == 0 && take(ends[1], 200, "with three", got) == 3, "messages");
    }
    char text[32];
    expect(read(got[0], text, 2) == 2 && memcmp(text, "34", 2) == 0, "a file");
    expect(lseek(kept, 0, SEEK_CUR) == 5, "one description");
    expect(read(got[1], text, 10) == 4 && memcmp(text, "cdef", 4) == 0, "a file that is open nowhere else");
    struct stat stat;
    expect(fstat(got[1], &stat) == 0, "fstat");
    int inside = got[2];
    expect(take(inside, 200, "deeper", got) == 1, "in a queue of a socket under way");
    expect(read(got[0], text, sizeof text) == 11 && memcmp(text, "in the pipe", 11) == 0, "a pipe");
    expect(is_empty(inside) && says(inside, "up") && reads(inner[0], "up"), "the socket");
    expect(take(ends[1], 200, "self", got) == 1, "itself");
    expect(type == SOCK_STREAM ? take(got[0], 200, "end", got) == 0 : reads(got[0], "end"), "the rest");
    expect(is_empty(ends[1]), "nothing is left");
    pass();
}
