// Memory files: contents, name, seals, mode and offsets; a mapping and the descriptors of one are the same file.
//#Variants: plain mapped parts sealed future unsealable exec noexec empty sparse private readonly locked
//#Flags: -pthread
//#MaxImage: 9000000
#include "../lib/sample.h"
#include <pthread.h>

#define LENGTH (6 * PAGE)
#define SEAL_ALL (0x1 | 0x2 | 0x4 | 0x8)
#define ADD_SEALS 1033
#define GET_SEALS 1034
#define ALLOW_SEALING 2U
#define NOEXEC_SEAL 8U
#define EXEC 16U

static const char *kind;
static int is(const char *name) { return strcmp(kind, name) == 0; }

static int make(unsigned flags) {
    int file = (int)syscall(SYS_memfd_create, "some \"name\" (deleted)", flags);
    // Kernels before 6.3 know nothing of execution.
    if (file < 0 && errno == EINVAL)
        file = (int)syscall(SYS_memfd_create, "some \"name\" (deleted)", flags & ~(EXEC | NOEXEC_SEAL));
    expect(file >= 0, "memfd_create");
    return file;
}

static int again(int file, int flags) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    return open(path, flags);
}

static unsigned char *map(int file, int protection, int flags, long from, size_t length) {
    unsigned char *at = mmap(NULL, length, protection, flags, file, from);
    expect(at != MAP_FAILED, "mmap");
    return at;
}

static void expect_byte(int file, long at, unsigned char wanted) {
    unsigned char byte = (unsigned char)~wanted;
    expect(pread(file, &byte, 1, at) == 1 && byte == wanted, "byte %ld is %d", at, byte);
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    kind = argc > 2 ? argv[2] : "plain";
    static unsigned char content[LENGTH], now[LENGTH];
    fill(content, LENGTH, 1);
    int sealable = is("sealed") || is("future") || is("exec");
    int file = make((sealable ? ALLOW_SEALING : 0) | (is("exec") ? EXEC : is("noexec") ? NOEXEC_SEAL : 0));
    long size = is("empty") ? 0 : is("sparse") ? 1L << 30 : (long)LENGTH - 100;
    if (!is("empty"))
        expect(write(file, content, LENGTH - 100) == LENGTH - 100, "write");
    expect(ftruncate(file, size) == 0, "ftruncate");
    if (is("sparse"))
        expect(pwrite(file, "end", 3, size - 3) == 3, "pwrite");
    int reader = again(file, O_RDONLY | O_CLOEXEC), dupped = dup(file);
    expect(reader >= 0 && dupped >= 0, "open");
    lseek(file, 5000, SEEK_SET);
    lseek(reader, 7000, SEEK_SET);
    int mapped = is("mapped") || is("parts") || is("sealed") || is("future") || is("locked");
    unsigned char *view = NULL, *part = NULL, *beyond = NULL, *alone = NULL;
    pthread_mutex_t *mutex = NULL;
    if (is("sealed")) {
        expect(fcntl(file, ADD_SEALS, SEAL_ALL) == 0, "seals");
        view = map(reader, PROT_READ, MAP_SHARED, 0, LENGTH);
    } else if (mapped) {
        view = map(file, PROT_READ | PROT_WRITE, MAP_SHARED, 0, LENGTH);
    }
    if (is("parts")) {
        part = map(reader, PROT_READ, MAP_SHARED, 2 * PAGE, PAGE);
        beyond = map(file, PROT_READ | PROT_WRITE, MAP_SHARED, 4 * PAGE, 8 * PAGE);
        expect(mprotect(beyond, PAGE, PROT_NONE) == 0, "mprotect");
    }
    if (is("future"))
        expect(fcntl(file, ADD_SEALS, 0x10 | 0x2) == 0 || errno == EINVAL, "seals");
    if (is("exec"))
        expect(fcntl(file, ADD_SEALS, 0x20) == 0 || errno == EINVAL, "seals");
    if (is("private")) {
        alone = map(file, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0, LENGTH);
        alone[PAGE] ^= 0xff;
    }
    if (is("locked")) {
        // A lock that knows its owner, in memory that others could map as well.
        pthread_mutexattr_t attributes;
        pthread_mutexattr_init(&attributes);
        pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
        pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
        mutex = (pthread_mutex_t *)(void *)(view + PAGE);
        expect(pthread_mutex_init(mutex, &attributes) == 0 && pthread_mutex_lock(mutex) == 0, "lock");
        memcpy(content, view, LENGTH - 100);
    }
    if (is("readonly")) {
        expect(fchmod(file, 0400) == 0 && close(file) == 0 && close(dupped) == 0, "close");
        file = dupped = reader;
        lseek(file, 5000, SEEK_SET);
    }
    struct stat before, after;
    fstat(file, &before);
    int seals = fcntl(file, GET_SEALS);
    ready();
    wait_for_go();
    SPOIL(1, dup2(open("/dev/null", O_RDWR), reader));
    SPOIL(2, if (fchmod(file, 0111) != 0) exit(1));
    SPOIL(3, lseek(file, 1, SEEK_SET));

    expect(fstat(file, &after) == 0 && after.st_size == size && after.st_nlink == 0, "size");
    expect(after.st_mode == before.st_mode && after.st_blocks <= before.st_blocks + 16, "mode %o", after.st_mode);
    expect(fcntl(file, GET_SEALS) == seals, "seals %x instead of %x", fcntl(file, GET_SEALS), seals);
    char path[64], link[300] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%d", reader);
    expect(readlink(path, link, sizeof link - 1) > 0, "readlink");
    expect(strcmp(link, "/memfd:some \"name\" (deleted) (deleted)") == 0, "it is called %s", link);
    expect(lseek(dupped, 0, SEEK_CUR) == 5000, "position");
    if (!is("readonly"))
        expect(lseek(reader, 0, SEEK_CUR) == 7000 && (fcntl(reader, F_GETFD) & FD_CLOEXEC), "second");
    if (!is("empty")) {
        long read = LENGTH - 100;
        expect(pread(reader, now, LENGTH, 0) >= read, "pread");
        if (!mutex)
            expect(memcmp(now, content, (size_t)read) == 0, "contents");
    }
    if (is("sparse"))
        expect_byte(file, size - 1, 'd');
    // One object: what one of them writes, the others show.
    int writes = !is("readonly") && !is("empty") && !(seals & 0x18);
    if (writes) {
        expect(pwrite(file, "!", 1, 9) == 1, "pwrite");
        expect_byte(reader, 9, '!');
        if (view)
            expect(view[9] == '!', "the mapping is of another file");
    }
    if (view && !is("sealed")) {
        view[2 * PAGE] = 44;
        expect_byte(reader, 2 * PAGE, 44);
    }
    if (part) {
        expect(part[0] == 44, "second mapping");
        expect(mprotect(part, PAGE, PROT_READ | PROT_WRITE) != 0 && errno == EACCES, "it may be written");
        expect(touch(beyond, 0) == SIGSEGV && touch(beyond + 2 * PAGE, 0) == SIGBUS, "beyond its end");
        expect(ftruncate(file, 12 * PAGE) == 0 && touch(beyond + 7 * PAGE, 1) == 0, "it does not grow");
    }
    if (is("sealed")) {
        expect(memcmp(view, content, LENGTH - 100) == 0, "mapping");
        expect(pwrite(file, "!", 1, 9) < 0 && errno == EPERM && ftruncate(file, 1) < 0, "it can be written");
        expect(fcntl(file, ADD_SEALS, 0x10) < 0 && errno == EPERM, "it can be sealed");
    }
    if (is("future") && (seals & 0x10))
        expect(pwrite(file, "!", 1, 9) < 0 && errno == EPERM, "it can be written");
    if (is("noexec") && (seals & 0x20))
        expect(fchmod(file, 0777) < 0 && (after.st_mode & 0111) == 0, "it can be made executable");
    if (is("unsealable"))
        expect(seals == 1 && fcntl(file, ADD_SEALS, 2) < 0, "it can be sealed");
    if (alone) {
        expect(alone[PAGE] == (content[PAGE] ^ 0xff), "private view");
        expect_byte(file, PAGE, content[PAGE]);
    }
    if (mutex) {
        expect(pthread_mutex_lock(mutex) == EDEADLK, "the lock does not know its owner");
        expect(pthread_mutex_unlock(mutex) == 0, "unlock");
    }
    pass();
}
