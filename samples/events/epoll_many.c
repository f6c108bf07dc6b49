// One instance that watches five hundred files, every third of them ready, every fifth watched by edges that
// were reported: exactly those that are due are reported.
//#Links: pie musl
#include "epoll.h"

enum { COUNT = 300, WATCHES = 500 };

int main(int argc, char **argv) {
    sample_start(argc, argv);
    int epoll = epoll_create1(0), counters[COUNT];
    // Numbers beside numbers for the same files: each file is watched several times.
    static int numbers[WATCHES];
    for (int i = 0; i < COUNT; i++)
        expect((counters[i] = eventfd(0, EFD_NONBLOCK)) >= 0, "eventfd");
    for (int i = 0; i < WATCHES; i++) {
        numbers[i] = i < COUNT ? counters[i] : dup(counters[i % COUNT]);
        expect(numbers[i] >= 0, "dup");
        watch(epoll, EPOLL_CTL_ADD, numbers[i], EPOLLIN | (i % 5 == 0 ? EPOLLET : 0), (uint64_t)i);
    }
    struct epoll_event events[WATCHES];
    for (int i = 0; i < COUNT; i += 30)
        add(counters[i], 1);
    epoll_wait(epoll, events, WATCHES, 0);
    for (int i = 0; i < COUNT; i += 3)
        if (i % 30)
            add(counters[i], 1);

    ready();
    wait_for_go();
    SPOIL(1, add(counters[1], 1));
    SPOIL(2, epoll_wait(epoll, events, WATCHES, 0));
    int count = epoll_wait(epoll, events, WATCHES, 0), expected = 0;
    static char seen[WATCHES];
    for (int i = 0; i < count; i++)
        seen[events[i].data.u64]++;
    for (int i = 0; i < WATCHES; i++) {
        // Edges of the first round were reported.
        int file = i % COUNT, wanted = file % 3 == 0 && !(file % 30 == 0 && i % 5 == 0);
        expect(seen[i] == wanted, "watch %d was reported %d times", i, seen[i]);
        expected += wanted;
    }
    expect(count == expected, "%d events", count);
    pass();
}
