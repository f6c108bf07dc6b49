// The first thread has ended with pthread_exit; the others go on, and the last one ends the process.
//#Flags: -pthread
//#Links: pie nopie static staticpie musl glibc2.31 glibc2.31static glibc2.41 glibc2.41static
//#Unseen: status_SigBlk
#include "../lib/sample.h"
#include <pthread.h>

static void *run(void *argument) {
    pthread_t *first = argument;
    pthread_join(*first, NULL);
    ready();
    wait_for_go();
    SPOIL(1, exit(1));
    // A first thread that has ended stays in the list until the last is gone.
    char path[64], line[256] = {0};
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", getpid());
    int file = open(path, O_RDONLY);
    expect(file >= 0 && read(file, line, sizeof line - 1) > 0, "%s", path);
    char *state = strrchr(line, ')');
    expect(state && state[2] == 'Z', "the first thread: %s", line);
    pass();
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    static pthread_t first;
    first = pthread_self();
    pthread_t other;
    expect(pthread_create(&other, NULL, run, &first) == 0, "pthread_create");
    pthread_exit(NULL);
}
