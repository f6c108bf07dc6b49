// Asynchronous I/O by system calls: what linux/aio_abi.h has, which not every C library's headers come with, and the
// ring that a context's name is the address of.
#ifndef AIO_H
#define AIO_H
#include "sample.h"
#include <poll.h>

enum { AIO_PREAD = 0, AIO_FDSYNC = 3, AIO_POLL = 5, AIO_RESFD = 1 };

struct request {
    uint64_t data;
    uint32_t key, rw_flags;
    uint16_t operation;
    int16_t priority;
    uint32_t fd;
    uint64_t buffer, length;
    int64_t offset;
    uint64_t reserved;
    uint32_t flags, result_fd;
};

struct event {
    uint64_t data, request;
    int64_t result, result2;
};

struct ring {
    uint32_t id, size;
    volatile uint32_t head, tail;
    uint32_t magic, compatible, incompatible, length;
    struct event events[];
};

static inline struct ring *aio_setup(unsigned events) {
    struct ring *context = NULL;
    expect(syscall(SYS_io_setup, events, &context) == 0, "io_setup of %u", events);
    return context;
}

static inline int aio_submit(struct ring *context, struct request *request) {
    return (int)syscall(SYS_io_submit, context, 1L, &request);
}

// Takes what is there, at most so many; waits for so many.
static inline int aio_take(struct ring *context, long least, long most, struct event *events) {
    return (int)syscall(SYS_io_getevents, context, least, most, events, NULL);
}

// A request that is done at once: `length` bytes of a file.
static inline int aio_read(struct ring *context, int fd, uint64_t data, void *to, unsigned length) {
    struct request request = {.data = data, .operation = AIO_PREAD, .fd = fd, .buffer = (uintptr_t)to, .length = length};
    return aio_submit(context, &request);
}

// One that is done when there is something to be read.
static inline int aio_poll(struct ring *context, int fd, uint64_t data) {
    struct request request = {.data = data, .operation = AIO_POLL, .fd = fd, .buffer = POLLIN};
    return aio_submit(context, &request);
}

#endif
