package spawn

import (
	"context"
	"errors"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/safespawn/spawn/internal/plan"
)

// Limiter bounds how many children live at once, so that starts wait instead of failing.
// [NewLimiter] makes one; the zero Limiter bounds nothing. Give it to any number of Specs,
// and to Cmds of package exec.
//
// A start first waits for a place. A child has a place from its start until it was
// reaped. With [LimitStarts] it has a place only until it runs its program.
//
// The Logger of a Spec gets its line of a start while the child has its place. A Logger that
// itself starts a child with the same Limiter, and waits for that, may so wait for ever.
//
// If the system refuses a new process all the same, since another limit is lower or
// others use it up, the start is tried again when a child of the Limiter has ended, and
// from time to time. That is so for EAGAIN: RLIMIT_NPROC, pids.max of a cgroup,
// kernel.threads-max or kernel.pid_max is reached. The starts then stand in line, and
// only the first in line tries. When none has succeeded for the time of [RetryFor],
// they fail, and errors.As finds a [*LimitError] that says which limit it is. ENOMEM is
// not tried again: a wait for other children gives no memory back.
type Limiter struct {
	places interface { // of package semaphore, which is linked only with NewLimiter
		Acquire(ctx context.Context, n int64) error
		Release(n int64)
	}
	starts bool
	retry  time.Duration
	line   chan struct{} // has a value while somebody is the first in line
	freed  chan struct{} // has a value when a child has ended since the last try
	last   atomic.Int64  // when a start in line succeeded, since epoch
}

// defaultRetry is that of NewLimiter.
const defaultRetry = 10 * time.Second

// epoch is what the times of a Limiter count from.
var epoch = time.Now()

// LimiterOption is an option of [NewLimiter].
type LimiterOption func(*Limiter)

// LimitStarts has the Limiter bound the starts that are under way, and not the children
// that live.
func LimitStarts() LimiterOption { return func(l *Limiter) { l.starts = true } }

// RetryFor bounds the time in which refused starts are tried again while none succeeds.
// Zero means that they are tried once. Without this option it is 10 seconds.
func RetryFor(d time.Duration) LimiterOption { return func(l *Limiter) { l.retry = d } }

// NewLimiter returns a Limiter with n places. It panics if n is not positive.
func NewLimiter(n int, options ...LimiterOption) *Limiter {
	if n <= 0 {
		panic("spawn: NewLimiter needs a positive number")
	}
	l := &Limiter{
		places: semaphore.NewWeighted(int64(n)), retry: defaultRetry,
		line: make(chan struct{}, 1), freed: make(chan struct{}, 1),
	}
	for _, o := range options {
		o(l)
	}
	return l
}

// do calls start, which makes a child, when there is a place for it, and again where the
// system has none. If there is a child then, the place is the child's until ended.
func (l *Limiter) do(ctx context.Context, start func() error) error {
	if l.places == nil {
		return start()
	}
	if err := l.places.Acquire(ctx, 1); err != nil {
		return err
	}
	keep := false
	defer func() { // start may panic, as a Logger may
		if !keep {
			l.places.Release(1)
		}
	}()
	err := errWait
	if len(l.line) == 0 {
		err = start()
	}
	if full(err) && l.retry > 0 || err == errWait {
		err = l.inLine(ctx, start)
	}
	keep = err == nil && !l.starts
	return err
}

// errWait is the error of a start that is yet to be tried.
var errWait = errors.New("spawn: in line")

// full reports whether a start has failed because no more processes may be made. With
// other credentials it is execve that says so.
func full(err error) bool {
	var e *Error
	if errors.As(err, &e) && e.Step != StepClone && e.Step != StepExecve {
		return false
	}
	return errors.Is(err, syscall.EAGAIN)
}

// The times between two tries of the first in line, when no child ends.
const (
	firstPause = time.Millisecond
	lastPause  = 50 * time.Millisecond
)

// inLine waits for the end of the line, and calls start until it finds room.
func (l *Limiter) inLine(ctx context.Context, start func() error) error {
	begin := time.Since(epoch)
	late := time.NewTimer(l.retry)
	defer late.Stop()
	for first := false; !first; {
		select {
		case l.line <- struct{}{}:
			first = true
		case <-ctx.Done():
			return ctx.Err()
		case <-late.C:
			left := l.left(begin)
			if left <= 0 {
				return start()
			}
			late.Reset(left)
		}
	}
	defer func() { <-l.line }()
	return l.asFirst(ctx, begin, start)
}

// asFirst is inLine of the first in line.
func (l *Limiter) asFirst(ctx context.Context, begin time.Duration, start func() error) error {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := start()
		if err == nil {
			l.last.Store(int64(time.Since(epoch)))
		}
		if !full(err) || l.left(begin) <= 0 {
			return err
		}
		t := time.NewTimer(pause)
		select {
		case <-l.freed:
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// left is how much longer a start that began to wait at a time may do so.
func (l *Limiter) left(begin time.Duration) time.Duration {
	return max(begin, time.Duration(l.last.Load())) + l.retry - time.Since(epoch)
}

// ended says that a child was reaped, which do has made.
func (l *Limiter) ended() {
	if !l.starts && l.places != nil {
		l.places.Release(1)
	}
	select {
	case l.freed <- struct{}{}:
	default:
	}
}

// LimitError says which limit of processes keeps the system from making one more.
// errors.As finds it in an [*Error]. It needs Linux and the engine.
type LimitError = plan.LimitError
