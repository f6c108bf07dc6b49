// A program that asks for SIGUSR2 itself when file 1 comes, and gives it up when file 2 does.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func wait(name string) {
	for {
		if _, err := os.Stat(name); err == nil {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func main() {
	fmt.Println("ready")
	wait("1")
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR2)
	fmt.Println("notified")
	fmt.Println("got", <-signals)
	wait("2")
	signal.Reset(syscall.SIGUSR2)
	fmt.Println("reset")
	wait("3")
	os.Exit(42)
}
