// SPDX-License-Identifier: MIT

// A load on the collector of the Go runtime.
//
//	gc_load TRACE OPTION...
//
// TRACE is the runtime's own execution trace, with a log entry `clock NS` (CLOCK_MONOTONIC) every 10 ms; of what `go tool
// trace -d` (Go 1.19 to 1.21) prints of it, tests/tools/gc_truth_go.awk makes a truth file. -: no trace.
//
//	--mode steady     orders at a constant rate, one in 16 of which lives for a while; a constant live set
//	       bursty     the rate changes every 2 s between a fifth and 1.8 of it
//	--seconds N       ends after N s; 0 (default): at SIGTERM
//	--rate MB         allocated a second (default 200); 0: as fast as it goes
//	--live MB         the live set (default 8)
//	--threads N       goroutines that allocate (default 1)
//	--churn N         so many goroutines a second are started and end
//	--latency         a goroutine measures how late it gets up from short sleeps
//
// Says `ready PID` when it works, and at its end: units (orders made), wrong (orders whose contents changed: 0), churned,
// longest_stall_ns (--latency), collections, done.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"runtime/trace"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

const (
	batch          = 256
	orderBytes     = 32 // of an order beside its payload
	nap            = 200 * time.Microsecond
	clockMonotonic = 1
)

type order struct {
	id      uint64
	payload []byte
}

var (
	mode     = flag.String("mode", "steady", "steady or bursty")
	seconds  = flag.Float64("seconds", 0, "0: until SIGTERM")
	rateMB   = flag.Int64("rate", 200, "MB a second; 0: as fast as it goes")
	liveMB   = flag.Int("live", 8, "MB of the live set")
	threads  = flag.Int("threads", 1, "goroutines that allocate")
	churn    = flag.Int("churn", 0, "goroutines a second")
	latency  = flag.Bool("latency", false, "measure the longest stall")
	stopped  int32
	units    uint64
	wrong    uint64
	churned  uint64
	longest  int64
	allEnded sync.WaitGroup
)

// CLOCK_MONOTONIC, by the system call: the runtime's own clock is not to be had.
func monotonicNs() int64 {
	var ts syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&ts)), 0)
	return ts.Nano()
}

func isStopped() bool { return atomic.LoadInt32(&stopped) != 0 }

func newOrder(id uint64, size int) *order {
	o := &order{id: id, payload: make([]byte, size)}
	o.payload[0], o.payload[size-1] = byte(id), byte(id>>8)
	return o
}

func (o *order) check() {
	if o != nil && (o.payload[0] != byte(o.id) || o.payload[len(o.payload)-1] != byte(o.id>>8)) {
		atomic.AddUint64(&wrong, 1)
	}
}

// Bytes that may be allocated by now, by a rate that may change.
type pace struct {
	start, last time.Time
	credit      float64
}

func (p *pace) rate(now time.Time) float64 {
	share := float64(*rateMB<<20) / float64(*threads)
	switch {
	case *mode != "bursty":
		return share
	case now.Sub(p.start)/(2*time.Second)%2 == 0:
		return 0.2 * share
	}
	return 1.8 * share
}

func (p *pace) spend(bytes int) {
	p.credit -= float64(bytes)
	for *rateMB != 0 && !isStopped() {
		now := time.Now()
		p.credit += p.rate(now) * now.Sub(p.last).Seconds()
		if p.credit > 4<<20 {
			p.credit = 4 << 20
		}
		p.last = now
		if p.credit >= 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func work(self int) {
	defer allEnded.Done()
	live := make([]*order, *liveMB<<20 / *threads / (256+orderBytes))
	now := time.Now()
	p := pace{start: now, last: now}
	seed, id := uint64(self+1), uint64(0)
	for !isStopped() {
		bytes := 0
		for i := 0; i < batch; i++ {
			seed = seed*6364136223846793005 + 1442695040888963407
			o := newOrder(id, 16+int(seed>>33)%481)
			o.check()
			if id%16 == 0 {
				at := int(seed>>40) % len(live)
				live[at].check()
				live[at] = o
			}
			bytes += len(o.payload) + orderBytes
			id++
		}
		atomic.AddUint64(&units, batch)
		p.spend(bytes)
	}
	for _, o := range live {
		o.check()
	}
}

// Goroutines that live for a moment, in groups of what is due every 2 ms.
func startAndEnd() {
	defer allEnded.Done()
	began := time.Now()
	for started := 0; !isStopped(); {
		var group sync.WaitGroup
		for due := int(time.Since(began).Seconds() * float64(*churn)); started < due; started++ {
			group.Add(1)
			go func(id uint64) {
				newOrder(id, 64).check()
				atomic.AddUint64(&churned, 1)
				group.Done()
			}(uint64(started))
		}
		group.Wait()
		time.Sleep(2 * time.Millisecond)
	}
}

func measureStalls() {
	defer allEnded.Done()
	for before := monotonicNs(); !isStopped(); {
		time.Sleep(nap)
		now := monotonicNs()
		if late := now - before - int64(nap); late > longest {
			longest = late
		}
		before = now
	}
}

func logClock() {
	defer allEnded.Done()
	for !isStopped() {
		trace.Log(context.Background(), "clock", fmt.Sprint(monotonicNs()))
		time.Sleep(10 * time.Millisecond)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "gc_load:", err)
	os.Exit(1)
}

func run() {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	start := func(f func()) {
		allEnded.Add(1)
		go f()
	}
	for i := 0; i < *threads; i++ {
		self := i
		start(func() { work(self) })
	}
	if *churn > 0 {
		start(startAndEnd)
	}
	if *latency {
		start(measureStalls)
	}
	if trace.IsEnabled() {
		start(logClock)
	}
	fmt.Println("ready", os.Getpid())
	var end <-chan time.Time
	if *seconds > 0 {
		end = time.After(time.Duration(*seconds * float64(time.Second)))
	}
	select {
	case <-term:
	case <-end:
	}
	atomic.StoreInt32(&stopped, 1)
	allEnded.Wait()
}

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("usage: gc_load TRACE|- OPTION..."))
	}
	flag.CommandLine.Parse(os.Args[2:])
	if *mode != "steady" && *mode != "bursty" {
		fail(fmt.Errorf("unknown mode %s", *mode))
	}
	if os.Args[1] != "-" {
		file, err := os.Create(os.Args[1])
		if err == nil {
			err = trace.Start(file)
		}
		if err != nil {
			fail(err)
		}
	}
	run()
	trace.Stop()
	var stats debug.GCStats
	debug.ReadGCStats(&stats)
	fmt.Printf("units %d\nwrong %d\nchurned %d\ncollections %d\n", units, wrong, churned, stats.NumGC)
	if *latency {
		fmt.Println("longest_stall_ns", longest)
	}
	fmt.Println("done")
}
