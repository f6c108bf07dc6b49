// Threads come and go, a thousand a second where the machine allows it: each goroutine that is bound to a thread and
// ends takes it along. Meanwhile all threads are made to call setuid, for which Go's runtime (the C library with cgo)
// sends them signal 33; and every signal that can be asked for is, and sent.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

const makers, some = 4, 200

var made, ended, users, sent, got, stop int64

func fail(what ...interface{}) {
	fmt.Println(append([]interface{}{"FAIL"}, what...)...)
	os.Exit(1)
}

// live is one thread's life.
func live(n int64, done chan<- int64) {
	runtime.LockOSThread()
	if n%3 == 0 {
		time.Sleep(2 * time.Millisecond)
	}
	atomic.AddInt64(&ended, 1)
	done <- n + 1
}

func makeThreads(n int64, over chan<- bool) {
	for ; atomic.LoadInt64(&stop) == 0; n += makers {
		done := make(chan int64)
		go live(n, done)
		atomic.AddInt64(&made, 1)
		if result := <-done; result != n+1 {
			fail("result", result, "of", n)
		}
	}
	over <- true
}

func beUser(over chan<- bool) {
	for ; atomic.LoadInt64(&stop) == 0; atomic.AddInt64(&users, 1) {
		if err := syscall.Setuid(os.Getuid()); err != nil {
			fail("setuid", err)
		}
		time.Sleep(2 * time.Millisecond)
	}
	over <- true
}

func sendSignals(signals <-chan os.Signal, over chan<- bool) {
	for ; atomic.LoadInt64(&stop) == 0; atomic.AddInt64(&sent, 1) {
		number := syscall.Signal(35 + sent%30)
		if err := syscall.Kill(syscall.Getpid(), number); err != nil {
			fail("kill", err)
		}
		// Others are the runtime's own, and those of who looks.
		for one := range signals {
			if one == number {
				break
			}
		}
		atomic.AddInt64(&got, 1)
		time.Sleep(2 * time.Millisecond)
	}
	over <- true
}

// more waits until each of the counters has grown.
func more() {
	counters := []*int64{&made, &users, &got}
	for i, by := range []int64{some, 10, 10} {
		for from := atomic.LoadInt64(counters[i]); atomic.LoadInt64(counters[i]) < from+by; {
			time.Sleep(2 * time.Millisecond)
		}
	}
}

func main() {
	signals := make(chan os.Signal, 64)
	signal.Notify(signals)
	signal.Reset(syscall.SIGUSR2)
	over := make(chan bool)
	start := time.Now()
	for i := int64(0); i < makers; i++ {
		go makeThreads(i, over)
	}
	go beUser(over)
	go sendSignals(signals, over)
	more()
	fmt.Println("ready")
	for {
		if _, err := os.Stat("go"); err == nil {
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	more()
	atomic.StoreInt64(&stop, 1)
	for i := 0; i < makers+2; i++ {
		<-over
	}
	if made != ended || sent != got {
		fail(made, "made,", ended, "ended,", sent, "sent,", got, "got")
	}
	fmt.Println(made, "threads,", users, "times setuid,", got, "signals in", time.Since(start))
	os.Exit(42)
}
