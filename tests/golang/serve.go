// A server of net/http: counts requests, sleeps in each, and has a timer.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	var count, ticks int64
	go func() {
		for range time.NewTicker(5 * time.Millisecond).C {
			atomic.AddInt64(&ticks, 1)
		}
	}()
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	go func() {
		<-ended
		os.Exit(3)
	}()
	network, address := "tcp", os.Args[1]
	if path := strings.TrimPrefix(address, "unix:"); path != address {
		network, address = "unix", path
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		panic(err)
	}
	panic(http.Serve(listener, http.HandlerFunc(func(answer http.ResponseWriter, _ *http.Request) {
		number, before, begin := atomic.AddInt64(&count, 1), atomic.LoadInt64(&ticks), time.Now()
		time.Sleep(50 * time.Millisecond)
		words := "do not tick"
		if time.Since(begin) >= 50*time.Millisecond && atomic.LoadInt64(&ticks) > before {
			words = "tick"
		}
		fmt.Fprintf(answer, "request %d: timers %s\n", number, words)
	})))
}
