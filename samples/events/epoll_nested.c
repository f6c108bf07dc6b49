// epoll instances that watch epoll instances, three deep: an event within is one without.
//#Variants: level edge reported one_shot
//#Links: pie musl
#include "epoll.h"

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *kind = argc > 2 ? argv[2] : "level";
    int level = strcmp(kind, "level") == 0, shot = strcmp(kind, "one_shot") == 0;
    int taken = strcmp(kind, "reported") == 0;
    uint32_t bits = EPOLLIN | (level ? 0 : shot ? EPOLLONESHOT : EPOLLET);
    // The outermost has the lowest number and was made first.
    int outer = epoll_create1(0), middle = epoll_create1(0), inner = epoll_create1(0), counter = eventfd(0, 0);
    int lone = eventfd(1, 0);
    watch(inner, EPOLL_CTL_ADD, counter, EPOLLIN | EPOLLET, 3);
    watch(middle, EPOLL_CTL_ADD, inner, bits, 2);
    watch(outer, EPOLL_CTL_ADD, middle, bits, 1);
    watch(outer, EPOLL_CTL_ADD, lone, EPOLLIN | EPOLLET, 4);
    add(counter, 1);
    if (taken)
        expect_reported(outer, "1 4");

    ready();
    wait_for_go();
    SPOIL(1, reported(inner));
    SPOIL(2, reported(outer); watch(middle, EPOLL_CTL_DEL, inner, 0, 0));
    SPOIL(3, watch(outer, EPOLL_CTL_DEL, lone, 0, 0));

    expect_reported(outer, taken ? "" : "1 4");
    expect_reported(outer, level ? "1" : "");
    expect_reported(middle, "2");
    expect_reported(middle, level ? "2" : "");
    expect_reported(inner, "3");
    expect_reported(inner, "");
    // Nothing is left within: levels are down.
    expect_reported(middle, "");
    expect_reported(outer, "");
    add(counter, 1);
    add(lone, 1);
    expect_reported(outer, shot ? "4" : "1 4");
    expect_reported(middle, shot ? "" : "2");
    expect_reported(inner, "3");
    pass();
}
