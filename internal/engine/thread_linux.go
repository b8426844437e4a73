//go:build (amd64 || arm64) && !android

package engine

import (
	"bytes"
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/safespawn/spawn/internal/raw"
)

// lasting are threads that never end. The kernel takes the end of the thread that
// made a child for the death of the parent; Go ends threads as it likes.
//
// They are like all threads that goroutines share, and so stand in for the thread of
// any goroutine that is not locked to its own.
var lasting = lastingThreads{jobs: make(chan *lastingJob)}

// maxLasting bounds the threads. Each is busy while a child is on its way to
// execve; the number matters only where children are held up there.
const maxLasting = 8

type lastingThreads struct {
	jobs chan *lastingJob
	n    atomic.Int32
}

type lastingJob struct {
	f    func()
	done chan struct{}
}

// threadsNeeded is how many threads Go may make for one more that is locked: it, one
// that takes over the goroutines of its processor, and one that makes the others
// from then on.
const threadsNeeded = 3

// do calls f on a lasting thread. The errno says that no more threads can be made, at
// which Go would end the process; the error is that of ctx.
func (l *lastingThreads) do(ctx context.Context, f func()) (syscall.Errno, error) {
	job := &lastingJob{f, make(chan struct{})}
	select {
	case l.jobs <- job:
		<-job.done
		return 0, nil
	default:
	}
	if l.n.Add(1) > maxLasting {
		l.n.Add(-1)
	} else if errno := raw.RoomFor(threadsNeeded); errno != 0 {
		if l.n.Add(-1) == 0 {
			return errno, nil
		}
	} else {
		go l.serve()
	}
	select {
	case l.jobs <- job:
		<-job.done
		return 0, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// serve is a goroutine that keeps its thread.
func (l *lastingThreads) serve() {
	runtime.LockOSThread()
	for job := range l.jobs {
		job.f()
		close(job.done)
	}
}

// lockedToThread reports whether the calling goroutine is locked to its thread.
// Where the runtime does not say so in a way that is understood, any may be.
func lockedToThread() bool { return !saysLocked() || headSaysLocked() }

// saysLocked is whether the head of a stack trace tells of the lock.
var saysLocked = sync.OnceValue(func() bool {
	locked := make(chan bool)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		locked <- headSaysLocked()
	}()
	return <-locked
})

// headSaysLocked looks at the first line of the calling goroutine's stack trace:
// "goroutine 1 [running, locked to thread]:".
func headSaysLocked() bool {
	var buf [96]byte
	head, _, _ := bytes.Cut(buf[:runtime.Stack(buf[:], false)], []byte("\n"))
	return bytes.Contains(head, []byte("locked to thread"))
}
