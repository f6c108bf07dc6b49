// What another process has, that is no child of this one.
#ifndef AWAY_H
#define AWAY_H

#include "sample.h"
#include <poll.h>
#include <sys/wait.h>

// Gives the other end away to a process that is no child of this one, and that lives as long as somebody
// has this end.
static inline void give_away(int ends[2]) {
    pid_t self = getpid(), child = fork();
    expect(child >= 0, "fork");
    if (child == 0) {
        if (fork() == 0) {
            close(ends[0]);
            while (poll(&(struct pollfd){.fd = ends[1]}, 1, 50) == 0 && kill(self, 0) == 0)
                ;
        }
        _exit(0);
    }
    expect(waitpid(child, NULL, 0) == child, "wait");
    close(ends[1]);
}

#endif
