//go:build cgo

package main

// #include <pthread.h>
// #include <unistd.h>
// static int answer;
// static void *wait_a_little(void *n) { usleep(2000); answer += *(int *)n; return 0; }
// static int ask(void) {
//     pthread_t thread;
//     int n = 42;
//     answer = 0;
//     if (pthread_create(&thread, 0, wait_a_little, &n) || pthread_join(thread, 0)) return -1;
//     return answer;
// }
import "C"

func extra() int { return int(C.ask()) }
