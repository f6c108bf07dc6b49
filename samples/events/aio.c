// Asynchronous I/O contexts. "new": never used, a small and a large one; "unread": with events that were not read;
// "wrapped": these go over the ring's end; "full": as many as there can be; "several": of different sizes, one of them
// destroyed; "told": an eventfd has counted them; "reading": the program reads the ring itself, and is in the middle of
// it; "busy": requests are made and done all the time. Ring and events are the same, contexts take new requests, and
// can be destroyed.
//#Variants: new unread wrapped full several told reading busy
//#Flags: -pthread
//#Links: pie static musl
#include "../lib/aio.h"
#include <pthread.h>
#include <sys/eventfd.h>

enum { MOST = 3, EVENTS = 8192 };

// A context, and what is to be read from it.
static struct context {
    struct ring *ring;
    unsigned size;
    uint64_t first, next;
    uint32_t head, tail;
} all[MOST];

static const char *kind;
static int file;
static struct event events[EVENTS];
static uint64_t number;

static int is(const char *name) { return strcmp(kind, name) == 0; }

static void make(struct context *c, unsigned size) {
    c->ring = aio_setup(size);
    c->size = size;
    c->first = c->next = ++number << 32;
}

// Completes requests; tells how many there was room for.
static int add(struct context *c, int count, int flags, int result_fd) {
    for (int i = 0; i < count; i++) {
        static char to[64];
        struct request request = {.data = c->next, .operation = AIO_PREAD, .fd = file, .flags = flags};
        request.buffer = (uintptr_t)to;
        request.length = c->next % 50;
        request.result_fd = result_fd;
        if (aio_submit(c->ring, &request) != 1)
            return i;
        c->next++;
    }
    return count;
}

static void take(struct context *c, int count) {
    int got = aio_take(c->ring, 0, count, events);
    expect(got == count, "%d events of %d", got, count);
    for (int i = 0; i < got; i++, c->first++)
        expect(events[i].data == c->first && events[i].result == (int64_t)(c->first % 50) && events[i].result2 == 0,
               "event %llx: %llx", (long long)c->first, (long long)events[i].data);
}

static volatile int stop;
static volatile long rounds;

// Some requests end by themselves in a while, others when it wants.
static void *work(void *argument) {
    struct context *c = argument;
    int counter = eventfd(0, EFD_NONBLOCK);
    while (!stop) {
        char text[16] = {0};
        uint64_t one = 1, told;
        struct request sync = {.data = 1, .operation = AIO_FDSYNC, .fd = file, .flags = AIO_RESFD, .result_fd = counter};
        expect(aio_submit(c->ring, &sync) == 1, "fdatasync");
        expect(aio_read(c->ring, file, 2, text, sizeof text) == 1, "pread");
        expect(aio_submit(c->ring, &sync) == 1, "fdatasync");
        int got = aio_take(c->ring, 3, 3, events);
        expect(got == 3, "%d events", got);
        expect(events[0].data + events[1].data + events[2].data == 4, "other events");
        for (int i = 0; i < 3; i++)
            expect(events[i].result == (events[i].data == 2 ? 16 : 0), "result %lld", (long long)events[i].result);
        // The event comes first, then the word of it.
        for (uint64_t sum = 0; sum < 2; sum += told) {
            while (read(counter, &told, sizeof told) != sizeof told)
                short_sleep();
        }
        expect(text[0] == 'a' && text[15] == 'a' && one == 1, "what was read");
        rounds++;
    }
    close(counter);
    return NULL;
}

static void judge_busy(struct context *c) {
    pthread_t worker;
    expect(pthread_create(&worker, NULL, work, c) == 0, "pthread_create");
    while (rounds == 0)
        short_sleep();
    ready();
    wait_for_go();
    SPOIL(1, syscall(SYS_io_destroy, c->ring));
    SPOIL(2, syscall(SYS_io_destroy, c->ring));
    SPOIL(3, syscall(SYS_io_destroy, c->ring));
    long before = rounds;
    double start = monotonic();
    while (rounds < before + 2)
        expect(monotonic() - start < 60, "it does not go on");
    stop = 1;
    pthread_join(worker, NULL);
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    kind = argc > 2 ? argv[2] : "unread";
    file = open("data", O_RDWR | O_CREAT, 0600);
    char text[64];
    memset(text, 'a', sizeof text);
    expect(file >= 0 && write(file, text, sizeof text) == sizeof text, "data");
    int counter = eventfd(0, EFD_NONBLOCK);
    make(&all[0], 1);
    if (is("busy")) {
        judge_busy(&all[0]);
        expect(syscall(SYS_io_destroy, all[0].ring) == 0, "io_destroy");
        pass();
    }
    if (is("new"))
        make(&all[1], 3000);
    if (is("several")) {
        make(&all[1], 200);
        make(&all[2], 64);
        struct ring *other = all[1].ring;
        make(&all[1], 500);
        expect(syscall(SYS_io_destroy, other) == 0, "io_destroy");
    }
    for (int i = 0; i < MOST && !is("new"); i++) {
        struct context *c = &all[i];
        if (c->ring == NULL)
            continue;
        int turn = is("wrapped") ? (int)c->ring->size - 3 : 5;
        for (int done = 0; done < turn; done += 5) {
            expect(add(c, 5, 0, 0) == 5, "room");
            take(c, 5);
        }
        if (is("full"))
            expect(add(c, EVENTS, 0, 0) < EVENTS && errno == EAGAIN, "never full");
        else
            expect(add(c, 7 + i, is("told") ? AIO_RESFD : 0, counter) == 7 + i, "room");
    }
    // What the program does that reads a ring itself.
    uint32_t mine = all[0].ring->head;
    uint64_t seen = all[0].ring->events[mine].data;
    for (int i = 0; i < MOST; i++)
        if (all[i].ring)
            all[i].head = all[i].ring->head, all[i].tail = all[i].ring->tail;
    if (is("wrapped"))
        expect(all[0].head > all[0].tail, "%u, %u", all[0].head, all[0].tail);

    ready();
    wait_for_go();
    SPOIL(1, all[0].ring->head++);
    SPOIL(2, take(&all[0], !is("new")); aio_poll(all[0].ring, counter, 7));
    SPOIL(3, take(&all[0], !is("new")); aio_read(all[0].ring, file, 7, text, 1));

    for (int i = 0; i < MOST; i++)
        if (all[i].ring)
            expect(all[i].ring->head == all[i].head && all[i].ring->tail == all[i].tail, "%u, %u; were %u, %u",
                   all[i].ring->head, all[i].ring->tail, all[i].head, all[i].tail);
    if (is("reading")) {
        all[0].ring->head = (mine + 1) % all[0].ring->size;
        expect(seen == all[0].first++, "%llx", (long long)seen);
    }
    uint64_t told = 0;
    expect(read(counter, &told, sizeof told) == (is("told") ? 8 : -1) && told == (is("told") ? 7 : 0), "told of %d",
           (int)told);
    for (int i = 0; i < MOST; i++) {
        struct context *c = &all[i];
        if (c->ring == NULL)
            continue;
        take(c, (int)(c->next - c->first));
        expect(aio_take(c->ring, 0, 1, events) == 0, "an event too many");
        // All that io_setup(2) promises, twice round.
        for (int turn = 0; turn < 2; turn++) {
            int room = add(c, c->size > 126 ? (int)c->size : 100, 0, 0);
            expect(room >= (int)c->size, "room for %d of %u", room, c->size);
            take(c, room);
        }
        // One that waits.
        expect(aio_poll(c->ring, counter, c->next) == 1, "poll");
        expect(aio_take(c->ring, 0, 1, events) == 0, "done early");
        uint64_t one = 1;
        expect(write(counter, &one, sizeof one) == sizeof one, "write");
        expect(aio_take(c->ring, 1, 1, events) == 1 && events[0].data == c->next && events[0].result == POLLIN, "poll");
        expect(aio_take(c->ring, 0, 1, events) == 0, "another one");
        expect(read(counter, &one, sizeof one) == sizeof one, "read");
        expect(syscall(SYS_io_destroy, c->ring) == 0, "io_destroy");
        expect(aio_take(c->ring, 0, 1, events) == -1 && errno == EINVAL, "destroyed");
    }
    pass();
}
