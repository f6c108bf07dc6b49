// Interprocess communication that a checkpoint cannot carry: System V shared memory of which only a part is mapped, a
// POSIX message queue that tells of messages (mq_notify).
//#Variants: shm queue
//#Links: pie static musl
#include "../lib/sample.h"
#include <sys/ipc.h>
#include <sys/shm.h>

static const char *kind;
static int is(const char *name) { return strcmp(kind, name) == 0; }

static volatile sig_atomic_t told;
static void on_message(int number) {
    (void)number;
    told++;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    kind = argc > 2 ? argv[2] : "shm";
    char name[64];
    snprintf(name, sizeof name, "/ckpt-sample-%d", (int)getpid());
    int queue = -1;
    unsigned char *view = NULL;
    if (is("shm")) {
        int id = shmget(IPC_PRIVATE, 3 * PAGE, 0600);
        view = shmat(id, NULL, 0);
        shmctl(id, IPC_RMID, NULL);
        expect(view != (void *)-1, "shmat");
        fill(view, 3 * PAGE, 1);
        expect(munmap(view + 2 * PAGE, PAGE) == 0, "munmap");
    } else if (is("queue")) {
        // Names begin with a slash only in the C library.
        queue = (int)syscall(SYS_mq_open, name + 1, O_RDWR | O_CREAT | O_EXCL, 0600, NULL);
        expect(queue >= 0, "mq_open");
        syscall(SYS_mq_unlink, name + 1);
        if (queue != 7) {
            expect(dup2(queue, 7) == 7, "dup2");
            close(queue);
        }
        struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
        expect(syscall(SYS_mq_notify, 7, &event) == 0, "mq_notify");
        signal(SIGUSR1, on_message);
    }
    ready();
    wait_for_go();
    if (is("shm")) {
        expect_pattern(view, 2 * PAGE, 1);
    } else if (is("queue")) {
        char text[8192];
        expect(syscall(SYS_mq_timedsend, 7, "message", 7, 3, NULL) == 0, "mq_send");
        expect(told == 1, "told %d times", (int)told);
        unsigned priority;
        expect(syscall(SYS_mq_timedreceive, 7, text, sizeof text, &priority, NULL) == 7, "receive");
        expect(priority == 3 && memcmp(text, "message", 7) == 0, "the message");
    }
    SPOIL(1, exit(1));
    pass();
}
