//go:build linux

package main

import (
	"crypto/sha256"
	"math"
	"net"
	"net/http"
	"runtime/metrics"
	"sync"
	"time"
)

// serve starts an HTTP server and returns its port.
func (g *worker) serve() ([]int64, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() { _ = http.Serve(l, http.HandlerFunc(handle)) }() // for as long as the process lives
	return []int64{int64(l.Addr().(*net.TCPAddr).Port)}, nil
}

// handle does some work and makes some garbage.
func handle(w http.ResponseWriter, _ *http.Request) {
	page := make([]byte, 32<<10)
	sum := sha256.Sum256(page[:4<<10])
	copy(page, sum[:])
	_, _ = w.Write(page[:1<<10]) // a client that has gone is no concern
}

// maxBusy bounds how many spawns of spawnAt are on their way at a time.
const maxBusy = 64

// spawnAt spawns at a rate per second for some milliseconds, and returns how many
// it has made, and quantiles of what the runtime has seen meanwhile.
func spawnAt(f spawnFunc, rate, ms int) ([]int64, error) {
	var group sync.WaitGroup
	places := make(chan struct{}, maxBusy)
	failures := make(chan error, 1)
	before := readHistograms()
	begin, end, made := time.Now(), time.Duration(ms)*time.Millisecond, 0
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for since := time.Duration(0); since < end; since = time.Since(begin) {
		for due := int(float64(rate) * since.Seconds()); made < due; made++ {
			places <- struct{}{}
			group.Go(func() {
				if err := f(); err != nil {
					select {
					case failures <- err:
					default:
					}
				}
				<-places
			})
		}
		<-tick.C
	}
	group.Wait()
	numbers := []int64{int64(made)}
	for i, h := range readHistograms() {
		for _, q := range []float64{0.5, 0.99} {
			numbers = append(numbers, int64(1e9*h.since(before[i]).quantile(q)))
		}
	}
	select {
	case err := <-failures:
		return nil, err
	default:
		return numbers, nil
	}
}

// histogram is one of runtime/metrics.
type histogram metrics.Float64Histogram

// readHistograms reads how long goroutines were ready before they ran, and how
// long garbage collections stopped the world.
func readHistograms() []*histogram {
	samples := []metrics.Sample{{Name: "/sched/latencies:seconds"}, {Name: "/sched/pauses/total/gc:seconds"}}
	metrics.Read(samples)
	var h []*histogram
	for _, s := range samples {
		h = append(h, (*histogram)(s.Value.Float64Histogram()))
	}
	return h
}

// since is what h has more than before.
func (h *histogram) since(before *histogram) *histogram {
	more := &histogram{Buckets: h.Buckets, Counts: make([]uint64, len(h.Counts))}
	for i := range h.Counts {
		more.Counts[i] = h.Counts[i] - before.Counts[i]
	}
	return more
}

// quantile interpolates within the bucket that has it; 0 if nothing was counted.
func (h *histogram) quantile(q float64) float64 {
	var total, below uint64
	for _, n := range h.Counts {
		total += n
	}
	for i, n := range h.Counts {
		if n == 0 || float64(below+n) < q*float64(total) {
			below += n
			continue
		}
		low, high := max(h.Buckets[i], 0), h.Buckets[i+1]
		if math.IsInf(high, 1) {
			return low
		}
		return low + (high-low)*(q*float64(total)-float64(below))/float64(n)
	}
	return 0
}
