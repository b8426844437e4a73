//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/raw"
)

// allEnds waits for the ends of the children that have no pidfd.
var allEnds endWaiters

// endWaiters wait for children by their pids, all in one thread. The thread asks the
// kernel for any child that has ended, and reaps none: each child is reaped by its own
// look, so that nobody's status is taken.
//
// A child that is somebody else's hides the others from the thread, for as long as it
// is a zombie or, where it is traced, at a stop. Meanwhile all are looked at again and
// again. Nor does the thread learn of it when somebody else reaps a child, so all are
// looked at once in a while in any case.
//
// The thread stays in its call after the last look, until any child ends or there is
// none.
type endWaiters struct {
	mu     sync.Mutex
	looks  map[int][]*endLook // by pid; empty: nobody waits
	asking bool               // the thread is there
	idle   chan struct{}      // closed when nobody waits any more
}

type endLook struct {
	mu    sync.Mutex
	look  func() bool
	ended bool          // look has returned true, and is not called any more
	done  chan struct{} // closed after that
}

// try looks: two goroutines may come to it at once, and after the end the pid may be that
// of another child.
func (l *endLook) try() (ended bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = l.ended || l.look()
	return l.ended
}

// onceInAWhile is the time between two looks at a child that is not known to have
// ended.
const onceInAWhile = time.Second

// await returns when look, which asks whether a child has ended, has returned true.
func (e *endWaiters) await(pid int, look func() bool) {
	l := &endLook{look: look, done: make(chan struct{})}
	e.add(pid, l)
	<-l.done
}

func (e *endWaiters) add(pid int, l *endLook) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.looks) == 0 {
		e.looks, e.idle = map[int][]*endLook{}, make(chan struct{})
		go e.lookOnceInAWhile(e.idle)
	}
	e.looks[pid] = append(e.looks[pid], l)
	if !e.asking {
		e.asking = true
		go e.ask()
	}
}

// ask waits for ends, in a thread, until nobody waits for any.
func (e *endWaiters) ask() {
	for pause := time.Millisecond; e.wanted(); {
		var x raw.Exit
		errno := raw.Waitid(unix.P_ALL, 0, unix.WEXITED|unix.WNOWAIT, &x)
		if errno == 0 && e.lookAt(x.PID) {
			pause = time.Millisecond
			continue
		}
		e.lookAtAll()
		time.Sleep(pause)
		pause = min(2*pause, maxPause)
	}
}

// wanted reports whether somebody waits. If not, the thread is to end.
func (e *endWaiters) wanted() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asking = len(e.looks) > 0
	return e.asking
}

func (e *endWaiters) lookOnceInAWhile(idle <-chan struct{}) {
	t := time.NewTicker(onceInAWhile)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			e.lookAtAll()
		case <-idle:
			return
		}
	}
}

func (e *endWaiters) lookAtAll() {
	e.mu.Lock()
	pids := make([]int, 0, len(e.looks))
	for pid := range e.looks {
		pids = append(pids, pid)
	}
	e.mu.Unlock()
	for _, pid := range pids {
		e.lookAt(pid)
	}
}

// lookAt looks at one child for all who wait for it, and reports whether one of them
// has seen the end.
func (e *endWaiters) lookAt(pid int) (ended bool) {
	e.mu.Lock()
	looks := slices.Clone(e.looks[pid])
	e.mu.Unlock()
	for _, l := range looks {
		if l.try() {
			e.remove(pid, l)
			ended = true
		}
	}
	return ended
}

// remove tells one who waits, unless another goroutine has done so meanwhile.
func (e *endWaiters) remove(pid int, l *endLook) {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := slices.Index(e.looks[pid], l)
	if i < 0 {
		return
	}
	close(l.done)
	e.looks[pid] = slices.Delete(e.looks[pid], i, i+1)
	if len(e.looks[pid]) == 0 {
		delete(e.looks, pid)
	}
	if len(e.looks) == 0 {
		close(e.idle)
	}
}
