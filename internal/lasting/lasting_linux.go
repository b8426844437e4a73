//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

// Package lasting calls functions on threads that never end. The kernel takes the end of
// the thread that made a child for the death of the parent; Go ends threads as it likes.
package lasting

import (
	"bytes"
	"context"
	"runtime"
	"sync"
	"syscall"

	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/raw"
)

// all are like the threads that goroutines share, and so stand in for the thread of any
// goroutine that is not locked to its own. Each is busy while a child is on its way to
// execve; their number matters only where children are held up there.
var all = threads{jobs: make(chan *job), most: 8}

// apart is for what children that are held up must not hold up.
var apart = threads{jobs: make(chan *job), most: 1}

type threads struct {
	jobs chan *job
	most int
	mu   sync.Mutex
	n    int // of those that serve: none of them ends
}

type job struct {
	f    func()
	done chan struct{}
}

// threadsNeeded is how many threads Go may make for one more that is locked: it, one
// that takes over the goroutines of its processor, and one that makes the others
// from then on.
const threadsNeeded = 3

// Do calls f on a thread that lasts. The errno says that no more threads can be made, at
// which Go would end the process; the error is that of ctx.
func Do(ctx context.Context, f func()) (syscall.Errno, error) { return all.do(ctx, f) }

// DoApart is Do for an f that waits for nothing. It does not wait for those of Do, either.
func DoApart(f func()) syscall.Errno {
	errno, _ := apart.do(context.Background(), f) // which does not end
	return errno
}

func (l *threads) do(ctx context.Context, f func()) (syscall.Errno, error) {
	j := &job{f, make(chan struct{})}
	select {
	case l.jobs <- j:
		<-j.done
		return 0, nil
	default:
	}
	if errno := l.grow(); errno != 0 {
		return errno, nil
	}
	select {
	case l.jobs <- j:
		<-j.done
		return 0, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// grow makes one more thread, if that can be. The errno says why there is none at all, and
// so none to wait for.
func (l *threads) grow() syscall.Errno {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n == l.most {
		return 0
	}
	var errno syscall.Errno
	kernel.WithOwnChildren(func() { errno = raw.RoomFor(threadsNeeded) })
	if errno != 0 {
		if l.n == 0 {
			return errno
		}
		return 0
	}
	l.n++
	go l.serve()
	return 0
}

// serve is a goroutine that keeps its thread.
func (l *threads) serve() {
	runtime.LockOSThread()
	for j := range l.jobs {
		j.f()
		close(j.done)
	}
}

// Locked reports whether the calling goroutine is locked to its thread.
// Where the runtime does not say so in a way that is understood, any may be.
func Locked() bool { return !saysLocked() || headSaysLocked() }

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
