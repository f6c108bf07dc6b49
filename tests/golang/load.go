// Ten thousand goroutines with channels, timers, mutexes and work for the garbage collector; and loops
// without calls, which only a signal interrupts. The result is always the same.
package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const routines = 10000

type node struct {
	left, right *node
	value       uint64
}

// tree makes garbage, and adds up what it made.
func tree(depth int, value uint64) *node {
	if depth == 0 {
		return &node{value: value}
	}
	return &node{tree(depth-1, value*2+1), tree(depth-1, value*2+2), value}
}

func (n *node) sum() uint64 {
	if n == nil {
		return 0
	}
	return n.value + n.left.sum() + n.right.sum()
}

// spin has no call in its loop.
func spin(seed uint64, steps int) uint64 {
	for i := 0; i < steps; i++ {
		seed ^= seed << 13
		seed ^= seed >> 7
		seed ^= seed << 17
	}
	return seed
}

func main() {
	rounds, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	var (
		group   sync.WaitGroup
		lock    sync.RWMutex
		total   atomic64
		late    atomic64
		table   = map[int]uint64{}
		results = make(chan uint64, 64)
		stop    = make(chan struct{})
	)
	ticker := time.NewTicker(5 * time.Millisecond)
	var ticks atomic64
	go func() {
		for range ticker.C {
			ticks.add(1)
		}
	}()
	for i := 0; i < 2; i++ {
		go func(seed uint64) {
			for {
				select {
				case <-stop:
					return
				default:
					total.add(spin(seed, 20000000) & 0)
				}
			}
		}(uint64(i + 1))
	}
	for i := 0; i < routines; i++ {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			value := uint64(i)
			for round := 0; round < rounds; round++ {
				wait := time.Duration(1+(i*7+round*13)%150) * time.Millisecond
				begin := time.Now()
				if i%3 == 0 {
					<-time.After(wait)
				} else {
					time.Sleep(wait)
				}
				if time.Since(begin) < wait {
					late.add(1)
				}
				value = spin(value+uint64(round), 300)
				if i%100 == 0 {
					value += tree(10, value).sum()
				}
				lock.Lock()
				table[i] += value % 1000
				lock.Unlock()
				runtime.Gosched()
			}
			results <- value
		}(i)
	}
	go func() {
		group.Wait()
		close(results)
	}()
	var all []uint64
	for value := range results {
		all = append(all, value)
	}
	close(stop)
	sort.Slice(all, func(a, b int) bool { return all[a] < all[b] })
	hash := sha256.New()
	for _, value := range all {
		fmt.Fprintln(hash, value)
	}
	var sum uint64
	lock.RLock()
	for _, value := range table {
		sum += value
	}
	lock.RUnlock()
	fmt.Printf("%d results %x, sum %d, %d early\n", len(all), hash.Sum(nil)[:8], sum, late.get())
	if ticks.get() < 10 {
		fmt.Println("the ticker does not tick")
	}
	if extra() != 42 {
		os.Exit(3)
	}
}

type atomic64 struct{ value uint64 }

func (a *atomic64) add(n uint64) { atomic.AddUint64(&a.value, n) }
func (a *atomic64) get() uint64  { return atomic.LoadUint64(&a.value) }
