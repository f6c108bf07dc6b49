// epoll instances that watch pipes and eventfds, in every manner there is: an event that is due is reported
// once, one that was reported is not reported again.
//#Variants: level edge edge_reported edge_half one_shot one_shot_fired exclusive exclusive_edge alike dup
//#Links: pie musl
#include "epoll.h"

static const char *kind;
static int is(const char *name) { return strcmp(kind, name) == 0; }

int main(int argc, char **argv) {
    sample_start(argc, argv);
    kind = argc > 2 ? argv[2] : "level";
    int level = is("level") || is("exclusive") || is("dup"), shot = is("one_shot") || is("one_shot_fired");
    int taken = is("edge_reported") || is("edge_half") || is("one_shot_fired");
    uint32_t how = level ? 0 : shot ? EPOLLONESHOT : EPOLLET;
    if (is("exclusive") || is("exclusive_edge"))
        how |= EPOLLEXCLUSIVE;
    uint32_t bits = EPOLLIN | how | (how & EPOLLEXCLUSIVE ? 0 : EPOLLRDHUP | EPOLLPRI);

    // 1: a pipe with something in it, 2: an empty one, 3: a counter that is not zero, 4: one that is.
    int epoll = epoll_create1(is("dup") ? EPOLL_CLOEXEC : 0), first[2], second[2];
    expect(epoll >= 0 && pipe(first) == 0 && pipe(second) == 0, "make");
    int full = eventfd(3, 0), zero = eventfd(0, 0);
    expect(write(first[1], "text", 4) == 4, "write");
    int other = is("dup") ? dup(epoll) : -1;
    if (is("dup"))
        fcntl(epoll, F_SETFL, O_NONBLOCK);
    int alike = is("alike");
    watch(epoll, EPOLL_CTL_ADD, first[0], bits, 0xabcdef0100000001);
    watch(epoll, EPOLL_CTL_ADD, second[0], bits, alike ? 0xabcdef0100000001 : 2);
    watch(epoll, EPOLL_CTL_ADD, full, bits, 3);
    watch(epoll, EPOLL_CTL_ADD, zero, bits, alike ? 3 : 4);
    if (taken)
        expect_reported(epoll, "3 abcdef0100000001");
    if (is("edge_half"))
        add(full, 1);

    ready();
    wait_for_go();
    SPOIL(1, reported(epoll); add(zero, 1));
    SPOIL(2, watch(epoll, EPOLL_CTL_DEL, full, 0, 0));
    SPOIL(3, watch(epoll, EPOLL_CTL_DEL, second[0], 0, 0);
          watch(epoll, EPOLL_CTL_ADD, second[0], bits & ~EPOLLIN, alike ? 0xabcdef0100000001 : 2));

    expect_reported(epoll, is("edge_half") ? "3" : taken ? "" : "3 abcdef0100000001");
    expect_reported(epoll, level ? "3 abcdef0100000001" : "");
    expect(write(second[1], "x", 1) == 1, "write");
    expect_reported(epoll, is("one_shot_fired") ? "2" : level ? "2 3 abcdef0100000001" : alike ? "abcdef0100000001" : "2");
    add(zero, 1);
    expect_reported(epoll, level ? "2 3 4 abcdef0100000001" : alike ? "3" : "4");
    // What was reported is reported again when there is more.
    expect(write(first[1], "more", 4) == 4, "write");
    add(full, 1);
    expect_reported(epoll, level ? "2 3 4 abcdef0100000001" : shot ? "" : "3 abcdef0100000001");
    if (shot) {
        watch(epoll, EPOLL_CTL_MOD, full, EPOLLIN | EPOLLET, 5);
        expect_reported(epoll, "5");
    }
    if (other >= 0) {
        expect(fcntl(epoll, F_GETFD) == FD_CLOEXEC && fcntl(other, F_GETFD) == 0, "close-on-exec");
        expect(fcntl(other, F_GETFL) == (O_RDWR | O_NONBLOCK), "flags");
        watch(other, EPOLL_CTL_DEL, full, 0, 0);
        expect_reported(epoll, "2 4 abcdef0100000001");
    }
    // A hang-up comes without being asked for, but not to a one-shot that is at rest.
    close(first[1]);
    const char *end = reported(epoll);
    expect(shot ? strcmp(end, "") == 0 : strstr(end, "abcdef0100000001:11") != NULL, "reported \"%s\"", end);
    struct epoll_event event = {EPOLLIN, {0}};
    expect(epoll_ctl(epoll, EPOLL_CTL_ADD, zero, &event) == -1 && errno == EEXIST, "it is watched");
    pass();
}
