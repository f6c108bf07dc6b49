// Memory that looks much like a lock and is none: numbers that happen to be the ids of threads, with what may
// lie around them. Blocks of a heap have their size before them, and one of 0x1811 bytes beside a thread 0x1811
// is nothing out of the way. All stay what they are; and a lock behind more of them than anybody would look at
// closely knows its owner's new id.
//#Flags: -pthread
//#Links: pie nopie static staticpie musl glibc2.31 glibc2.41 glibc2.41static
#include "../lib/sample.h"
#include <pthread.h>

enum { FLOOD = 200000, SHAPES = 7, WORDS = 16 };
static const uint32_t ID = 0xffffffff;
// Where ID stands, an id of a thread's is written.
static const uint32_t shapes[SHAPES][WORDS] = {
    // Of a rwlock that is held for writing, but for its two futexes.
    {0, 0, 0x13, 0, 0x189dc8f1, 0x373b, 0, 0, ID, 0},
    // Likewise, but for what is unused.
    {0, 0, 3, 0, 1, 1, 0, 0, ID, 0, 0, 0, 5, 0, 0, 0},
    // Of a mutex with priority inheritance that is about to be given back; of a robust one; of both.
    {0, 0, 0, 0, 0, 0, 0, 0, ID, 0, 0, 0, 32, 0},
    {0, 0, 0, 0, 0, 0, 0, 0, ID, 1, 0, 1, 16 + 1, 0},
    {0, 0, 0, 0, 0, 0, 0, 0, ID, 0, 0, 0, 48 + 128, 0},
    // musl's, with priority inheritance.
    {0, 0, 0, 0, 0, 0, 0, 8, ID, 0, 0, 0, 0, 0},
    {0, 0, 0, 0, 0, 0, 0, 8 + 1, ID, 1, 0, 0, 0, 0},
};

static struct {
    uint32_t words[SHAPES][WORDS];
} * blocks;
static pid_t ids[2];
static struct {
    uint64_t numbers[FLOOD];
    pthread_mutex_t mutex;
} *many;

static pthread_barrier_t begin, end;

static void *stay(void *unused) {
    ids[1] = (pid_t)syscall(SYS_gettid);
    pthread_barrier_wait(&begin);
    pthread_barrier_wait(&end);
    return unused;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    blocks = map_private(PAGE);
    many = map_private(sizeof *many);
    ids[0] = getpid();
    pthread_t other;
    pthread_barrier_init(&begin, NULL, 2);
    pthread_barrier_init(&end, NULL, 2);
    expect(pthread_create(&other, NULL, stay, NULL) == 0, "thread");
    pthread_barrier_wait(&begin);
    pthread_mutexattr_t how;
    pthread_mutexattr_init(&how);
    pthread_mutexattr_settype(&how, PTHREAD_MUTEX_RECURSIVE);
    expect(pthread_mutex_init(&many->mutex, &how) == 0 && pthread_mutex_lock(&many->mutex) == 0, "lock");
    for (int i = 0; i < FLOOD; i++)
        many->numbers[i] = (uint64_t)ids[0];
    for (int of = 0; of < 2; of++)
        for (int shape = 0; shape < SHAPES; shape++)
            for (int i = 0; i < WORDS; i++)
                blocks[of].words[shape][i] = shapes[shape][i] == ID ? (uint32_t)ids[of] : shapes[shape][i];
    // The ids as they were, where nobody takes them for ids.
    const uint32_t mask = 0x55555555, then[] = {(uint32_t)ids[0] ^ mask, (uint32_t)ids[1] ^ mask};

    ready();
    wait_for_go();
    SPOIL(1, blocks[0].words[0][8]++);
    SPOIL(2, many->numbers[FLOOD - 1]++);
    SPOIL(3, pthread_mutex_unlock(&many->mutex));

    for (int of = 0; of < 2; of++)
        for (int shape = 0; shape < SHAPES; shape++)
            for (int i = 0; i < WORDS; i++) {
                uint32_t wanted = shapes[shape][i] == ID ? then[of] ^ mask : shapes[shape][i];
                expect(blocks[of].words[shape][i] == wanted, "word %d of shape %d (%d): %u, not %u", i, shape, of,
                       blocks[of].words[shape][i], wanted);
            }
    for (int i = 0; i < FLOOD; i++)
        expect(many->numbers[i] == (then[0] ^ mask), "number %d", i);
    expect(pthread_mutex_unlock(&many->mutex) == 0 && pthread_mutex_unlock(&many->mutex) != 0,
           "the mutex is its owner's, once");
    pthread_barrier_wait(&end);
    expect(pthread_join(other, NULL) == 0, "join");
    pass();
}
