// Mutexes that are held at the checkpoint are held by the same thread afterwards. Those that know their
// owner (recursive, error-checking, robust) must know it again: a library that locks twice would wait for ever.
//#Variants: normal recursive errorcheck robust
//#Flags: -pthread
//#Links: pie nopie static staticpie musl glibc2.31 glibc2.41 glibc2.41static
#include "../lib/sample.h"
#include <pthread.h>

static pthread_mutex_t mutex;

int main(int argc, char **argv) {
    sample_start(argc, argv);
    const char *kind = argc > 2 ? argv[2] : "normal";
    int recursive = strcmp(kind, "recursive") == 0, checks = strcmp(kind, "errorcheck") == 0;
    int robust = strcmp(kind, "robust") == 0;
    pthread_mutexattr_t how;
    pthread_mutexattr_init(&how);
    pthread_mutexattr_settype(&how, recursive ? PTHREAD_MUTEX_RECURSIVE
                                    : checks  ? PTHREAD_MUTEX_ERRORCHECK
                                              : PTHREAD_MUTEX_NORMAL);
    if (robust)
        pthread_mutexattr_setrobust(&how, PTHREAD_MUTEX_ROBUST);
    expect(pthread_mutex_init(&mutex, &how) == 0, "init");
    expect(pthread_mutex_lock(&mutex) == 0, "lock");

    ready();
    wait_for_go();
    SPOIL(1, pthread_mutex_unlock(&mutex));

    expect(pthread_mutex_trylock(&mutex) == (recursive ? 0 : EBUSY), "trylock of a mutex that is held");
    if (recursive) {
        // A second count must not come from an owner that is somebody else; and both can be given back.
        expect(pthread_mutex_unlock(&mutex) == 0, "unlock of the second count");
    }
    if (checks)
        expect(pthread_mutex_lock(&mutex) == EDEADLK, "locking twice");
    expect(pthread_mutex_unlock(&mutex) == 0, "unlock");
    if (recursive || checks || robust)
        expect(pthread_mutex_unlock(&mutex) == EPERM, "unlock of a mutex that is free");
    expect(pthread_mutex_lock(&mutex) == 0 && pthread_mutex_unlock(&mutex) == 0, "once more");
    pass();
}
