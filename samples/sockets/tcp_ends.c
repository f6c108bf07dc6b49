// TCP connections of the program to itself that are not whole any more: shut down in one direction or both, the
// other end closed, reset; with bytes that are held back; with an urgent byte; waiting to be accepted.
//#Variants: half reading closed closed_late both reset reset_read cork more nagle urgent urgent_inline urgent_taken waiting waiting_many
#include "inet.h"

static int server, client, accepted;
static Name there;

static void connect_one(void) {
    client = new_socket(AF_INET, SOCK_STREAM);
    expect(connected(client, there), "connect");
    accepted = accept(server, NULL, NULL);
    expect(accepted >= 0, "accept");
}

static void reset_by_client(void) {
    struct linger at_once = {1, 0};
    setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(client);
    expect(happens(accepted, POLLHUP), "reset");
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *variant = argc > 2 ? argv[2] : "half";
    int is_held = !strcmp(variant, "cork") || !strcmp(variant, "more") || !strcmp(variant, "nagle");
    char text[16] = "";
    server = bound(SOCK_STREAM, name_of("own", 0));
    expect(listen(server, 5) == 0, "listen");
    there = name_at(server, 0);
    int many[3] = {-1, -1, -1};
    if (strncmp(variant, "waiting", 7) != 0)
        connect_one();
    if (!strcmp(variant, "half")) {
        expect(says(client, "last") && shutdown(client, SHUT_WR) == 0 && says(accepted, "answer"), "half closed");
        expect(happens(accepted, POLLRDHUP), "shut");
    } else if (!strcmp(variant, "reading")) {
        expect(says(accepted, "unread") && happens(client, POLLIN) && shutdown(client, SHUT_RD) == 0, "no reading");
    } else if (!strcmp(variant, "closed")) {
        expect(says(client, "last") && close(client) == 0 && happens(accepted, POLLRDHUP), "closed");
    } else if (!strcmp(variant, "closed_late")) {
        expect(says(client, "last") && close(client) == 0 && happens(accepted, POLLRDHUP), "closed");
        expect(shutdown(accepted, SHUT_WR) == 0 && happens(accepted, POLLHUP), "both directions");
    } else if (!strcmp(variant, "both")) {
        expect(says(client, "last") && says(accepted, "answer") && shutdown(client, SHUT_WR) == 0 && shutdown(accepted, SHUT_WR) == 0, "shutdown");
        expect(happens(client, POLLHUP) && happens(accepted, POLLHUP), "both directions");
    } else if (!strcmp(variant, "reset")) {
        expect(says(client, "last") && happens(accepted, POLLIN), "send");
        reset_by_client();
    } else if (!strcmp(variant, "reset_read")) {
        reset_by_client();
        expect(recv(accepted, text, 1, 0) == -1 && errno == ECONNRESET, "error");
    } else if (is_held) {
        // One half has come, and what is behind it waits for more, or for an answer (Nagle's algorithm).
        expect(says(client, "come") && happens(accepted, POLLIN), "send");
        if (!strcmp(variant, "cork"))
            set_option(client, IPPROTO_TCP, TCP_CORK, 1);
        expect(send(client, "held", 4, MSG_DONTWAIT | (strcmp(variant, "more") ? 0 : MSG_MORE)) == 4, "send");
    } else if (!strncmp(variant, "urgent", 6)) {
        if (!strcmp(variant, "urgent_inline"))
            set_option(accepted, SOL_SOCKET, SO_OOBINLINE, 1);
        expect(says(client, "before") && send(client, "!", 1, MSG_OOB) == 1 && says(client, "after"), "send");
        expect(happens(accepted, POLLPRI), "urgent");
        if (!strcmp(variant, "urgent_taken"))
            expect(recv(accepted, text, 1, MSG_OOB) == 1 && text[0] == '!', "taken");
    } else {
        int count = strcmp(variant, "waiting") ? 3 : 1;
        for (int i = 0; i < count; i++) {
            many[i] = new_socket(AF_INET, SOCK_STREAM);
            expect(connected(many[i], there), "connect");
        }
        expect(happens(server, POLLIN), "waits");
    }
    Name names[4] = {name_at(client, 0), name_at(client, 1), name_at(accepted, 0), name_at(accepted, 1)};
    short events[2] = {events_of(client), events_of(accepted)};
    int is_client_closed = !strncmp(variant, "closed", 6) || !strncmp(variant, "reset", 5);

    ready();
    wait_for_go();
    SPOIL(1, close(many[0] < 0 ? accepted : many[0]));
    SPOIL(2, close(server));

    if (!is_client_closed) {
        expect(has_name(client, 0, &names[0]) && has_name(client, 1, &names[1]), "names of the client");
        expect(is_held || events_of(client) == events[0], "events of the client: %x, not %x", events_of(client), events[0]);
    }
    expect(has_name(accepted, 0, &names[2]) && has_name(accepted, 1, &names[3]), "names of the server");
    expect(is_held || events_of(accepted) == events[1], "events of the server: %x, not %x", events_of(accepted), events[1]);
    if (!strcmp(variant, "half")) {
        expect(reads(accepted, "last") && recv(accepted, text, 1, 0) == 0, "the end");
        expect(reads(client, "answer") && send(client, "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE, "no writing");
        expect(says(accepted, "more") && happens(client, POLLIN) && reads(client, "more"), "goes on");
        close(accepted);
        expect(happens(client, POLLHUP) && recv(client, text, 1, 0) == 0, "both ended");
    } else if (!strcmp(variant, "reading")) {
        expect(recv(client, text, 16, MSG_DONTWAIT) == 6 && recv(client, text, 16, 0) == 0, "no reading");
        expect(says(client, "x") && happens(accepted, POLLIN) && reads(accepted, "x"), "goes on");
    } else if (!strcmp(variant, "closed")) {
        expect(reads(accepted, "last") && recv(accepted, text, 1, 0) == 0, "the end");
        expect(says(accepted, "x") && happens(accepted, POLLHUP), "nobody listens");
    } else if (!strcmp(variant, "closed_late")) {
        expect(reads(accepted, "last") && recv(accepted, text, 1, 0) == 0, "the end");
        expect(send(accepted, "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE, "no writing");
    } else if (!strcmp(variant, "both")) {
        expect(reads(accepted, "last") && recv(accepted, text, 1, 0) == 0 && reads(client, "answer") && recv(client, text, 1, 0) == 0, "ends");
    } else if (!strcmp(variant, "reset")) {
        expect(reads(accepted, "last") && recv(accepted, text, 1, 0) == -1 && errno == ECONNRESET, "reset");
        expect(recv(accepted, text, 1, 0) == 0, "the end");
    } else if (!strcmp(variant, "reset_read")) {
        expect(option_of(accepted, SOL_SOCKET, SO_ERROR) == 0 && recv(accepted, text, 1, 0) == 0, "the end");
    } else if (is_held) {
        expect(option_of(client, IPPROTO_TCP, TCP_CORK) == !strcmp(variant, "cork"), "cork");
        expect(option_of(client, IPPROTO_TCP, TCP_NODELAY) == 0, "no delay");
        set_option(client, IPPROTO_TCP, TCP_CORK, 0);
        expect(recv(accepted, text, 8, MSG_WAITALL) == 8 && !memcmp(text, "comeheld", 8) && is_empty(accepted), "content");
    } else if (!strcmp(variant, "urgent")) {
        expect(reads(accepted, "before") && ioctl(accepted, SIOCATMARK, text) == 0 && text[0] == 1, "the mark");
        expect(recv(accepted, text, 1, MSG_OOB) == 1 && text[0] == '!' && reads(accepted, "after"), "urgent");
    } else if (!strcmp(variant, "urgent_inline")) {
        expect(reads(accepted, "before") && ioctl(accepted, SIOCATMARK, text) == 0 && text[0] == 1 && reads(accepted, "!after"), "in line");
    } else if (!strcmp(variant, "urgent_taken")) {
        // Where it was, a read may end.
        expect(recv(accepted, text, 6, 0) == 6 && !memcmp(text, "before", 6) && reads(accepted, "after"), "without it");
    } else {
        Name from;
        for (int i = 0; i < 3 && many[i] >= 0; i++) {
            from = name_at(many[i], 0);
            int taken = accept(server, NULL, NULL);
            expect(taken >= 0 && has_name(taken, 1, &from), "connection %d", i);
            expect(says(many[i], "x") && happens(taken, POLLIN) && reads(taken, "x"), "goes on");
        }
        fcntl(server, F_SETFL, O_NONBLOCK);
        expect(accept(server, NULL, NULL) == -1 && errno == EAGAIN, "no more");
    }
    expect(takes_connections(server, there), "takes connections");
    pass();
}
