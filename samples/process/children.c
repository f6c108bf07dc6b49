// A restored program can do what programs do: fork, exec, wait, pipe, start threads and join them, raise.
//#Flags: -pthread
#include "../lib/sample.h"
#include <pthread.h>
#include <sys/wait.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int counter;
static volatile int raised;

static void *work(void *argument) {
    for (int i = 0; i < 1000; i++) {
        pthread_mutex_lock(&mutex);
        counter++;
        pthread_mutex_unlock(&mutex);
    }
    return argument;
}

static void on_usr1(int number) { raised = number; }

int main(int argc, char **argv) {
    sample_start(argc, argv);
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(3);
    expect(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3, "a child before");
    signal(SIGUSR1, on_usr1);

    ready();
    wait_for_go();
    SPOIL(1, counter = 5);
    SPOIL(2, signal(SIGCHLD, SIG_IGN));

    FILE *pipe = popen("echo $((6 * 7))", "r");
    int answer = 0;
    expect(pipe && fscanf(pipe, "%d", &answer) == 1 && answer == 42, "popen");
    expect(pclose(pipe) == 0, "pclose");
    child = fork();
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", "exit 9", (char *)NULL);
        _exit(1);
    }
    expect(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 9, "exec");
    expect(waitpid(-1, &status, 0) == -1 && errno == ECHILD, "there are children left");
    pthread_t threads[8];
    for (long i = 0; i < 8; i++)
        expect(pthread_create(&threads[i], NULL, work, (void *)i) == 0, "pthread_create");
    for (long i = 0; i < 8; i++) {
        void *result;
        expect(pthread_join(threads[i], &result) == 0 && result == (void *)i, "pthread_join");
    }
    expect(counter == 8000, "counter %d", counter);
    raise(SIGUSR1);
    expect(raised == SIGUSR1, "raise");
    pass();
}
