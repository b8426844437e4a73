package spawn

import (
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// Counters is an [Observer] that counts. The zero value is ready. Give a pointer to one
// Counters to any number of Specs, and read it by [Counters.Stats]. It takes no lock,
// but for the first failure of each step. Do not copy a Counters.
type Counters struct {
	started, canceled atomic.Uint64
	succeeded, exited atomic.Uint64
	signaled, lost    atomic.Uint64
	latencySum        atomic.Int64
	latency           [buckets]atomic.Uint64
	failures          sync.Map // *atomic.Uint64 by step
}

// Stats is what [Counters] have counted. The numbers are read one after the other, so
// those of a moment may differ by the starts and ends that happen meanwhile.
type Stats struct {
	// Started counts the children that came to run their program.
	Started uint64
	// Canceled counts the starts that failed because their context ended.
	Canceled uint64
	// Failures counts the other starts that failed, by the name of the step that
	// failed, as in Error.Step.
	Failures map[string]uint64
	// Live is the number of children that have started and were not reaped.
	Live int64
	// Succeeded counts the children that exited with status 0, Exited those with
	// another status, and Signaled those that a signal killed. Lost counts the children
	// whose status was lost.
	Succeeded, Exited, Signaled, Lost uint64
	// Latency has the times that the successful starts took, without the time in the
	// line of a Limiter.
	Latency Histogram
}

// Started counts a start.
func (c *Counters) Started(e Event) {
	switch {
	case e.Err == nil:
		took := e.Phases.Total() - e.Phases.Queue
		c.started.Add(1)
		c.latencySum.Add(int64(took))
		c.latency[bucketOf(took)].Add(1)
	case len(e.Step) == 0:
		c.canceled.Add(1)
	default:
		n, ok := c.failures.Load(e.Step)
		if !ok {
			n, _ = c.failures.LoadOrStore(e.Step, new(atomic.Uint64))
		}
		n.(*atomic.Uint64).Add(1)
	}
}

// Ended counts an end.
func (c *Counters) Ended(e Event) {
	switch {
	case e.State == nil:
		c.lost.Add(1)
	case e.State.Success():
		c.succeeded.Add(1)
	case e.State.Signaled():
		c.signaled.Add(1)
	default:
		c.exited.Add(1)
	}
}

// Stats returns what was counted so far.
func (c *Counters) Stats() Stats {
	s := Stats{
		Failures:  map[string]uint64{},
		Succeeded: c.succeeded.Load(), Exited: c.exited.Load(), Signaled: c.signaled.Load(), Lost: c.lost.Load(),
	}
	// What has ended was read before, so that Live is never negative.
	s.Started, s.Canceled = c.started.Load(), c.canceled.Load()
	s.Live = int64(s.Started - s.Succeeded - s.Exited - s.Signaled - s.Lost)
	c.failures.Range(func(step, n any) bool {
		s.Failures[step.(string)] = n.(*atomic.Uint64).Load()
		return true
	})
	s.Latency.Sum = time.Duration(c.latencySum.Load())
	for i := range c.latency {
		s.Latency.Buckets[i] = c.latency[i].Load()
	}
	return s
}

// Each power of two is divided into this many buckets, as a power of two; and the last
// bucket has all from about 2^37 ns, two minutes, on.
const (
	bucketBits = 2
	buckets    = (38-bucketBits)<<bucketBits + 1
)

// Histogram counts durations in buckets. The upper bound of a bucket is at most a
// quarter larger than its lower bound.
type Histogram struct {
	// Sum is the sum of all durations.
	Sum time.Duration
	// Buckets are the counts. Bucket i has the durations below Bound(i) that are in no
	// bucket before it.
	Buckets [buckets]uint64
}

// bucketOf is the bucket of a duration.
func bucketOf(d time.Duration) int {
	n := uint64(max(d, 0))
	if n < 1<<bucketBits {
		return int(n)
	}
	shift := bits.Len64(n) - 1 - bucketBits
	return min(shift<<bucketBits+int(n>>shift), buckets-1)
}

// Bound returns the upper bound of a bucket, which is not in the bucket. That of the
// last bucket is the largest Duration.
func (h *Histogram) Bound(bucket int) time.Duration {
	if bucket >= buckets-1 {
		return math.MaxInt64
	}
	n := uint64(bucket) + 1
	if n < 1<<bucketBits {
		return time.Duration(n)
	}
	shift := n>>bucketBits - 1
	return time.Duration((n&(1<<bucketBits-1) + 1<<bucketBits) << shift)
}

// Count returns how many durations there are.
func (h *Histogram) Count() (n uint64) {
	for _, k := range h.Buckets {
		n += k
	}
	return n
}

// Quantile returns a bound that a part q of the durations is below, between 0 and 1:
// with 0.99 all but a hundredth of them. It is the bound of a bucket. Without any
// duration it is 0.
func (h *Histogram) Quantile(q float64) time.Duration {
	all := h.Count()
	if all == 0 {
		return 0
	}
	wanted := max(uint64(math.Ceil(q*float64(all))), 1)
	for i, k := range h.Buckets {
		if k >= wanted {
			return h.Bound(i)
		}
		wanted -= k
	}
	return h.Bound(buckets - 1)
}
