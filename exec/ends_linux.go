//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/kernel"
)

// ends waits for the ends of children. Their pidfds are those of os.Process: for
// Go's poller they would have to be non-blocking, which whoever else uses them
// would notice. So they are in an epoll instance, which is open as long as somebody
// waits, and the poller has that.
var ends endPoller

type endPoller struct {
	mu      sync.Mutex
	epoll   *os.File // nil: nobody waits
	conn    syscall.RawConn
	fd      int
	waiting map[int32]*endWaiter
	last    int32
}

// endWaiter is somebody who waits for an end.
type endWaiter struct {
	pidfd  int
	pid    int
	over   bool
	failed bool          // there is no way to know
	done   chan struct{} // closed when either is set
}

// await waits for the end of the child of a pidfd. It returns false where the
// kernel does not let it, and where the number of the pidfd is another file's by now.
func (p *endPoller) await(pidfd, pid int) bool {
	w, first := p.add(pidfd, pid)
	switch {
	case w == nil:
		return false
	case first:
		p.lead(w)
	default:
		<-w.done
	}
	return !w.failed
}

// add notes a pidfd. Whoever is the first has to lead.
func (p *endPoller) add(pidfd, pid int) (w *endWaiter, first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	first = p.epoll == nil
	if first && !p.open() {
		return nil, false
	}
	for p.last++; p.waiting[p.last] != nil; p.last++ {
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT, Fd: p.last}
	if unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, pidfd, &event) != nil {
		if first {
			p.close()
		}
		return nil, false
	}
	w = &endWaiter{pidfd: pidfd, pid: pid, done: make(chan struct{})}
	p.waiting[p.last] = w
	return w, first
}

// lead looks for ends until that of w has come, or all if w is nil, and then
// leaves the others to another goroutine.
func (p *endPoller) lead(w *endWaiter) {
	err := p.lookUntilOver(w)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.fail(func(*endWaiter) bool { return true })
	}
	if len(p.waiting) > 0 {
		go p.lead(nil)
		return
	}
	p.close()
}

// The time between two looks for pidfds that other code has closed, by mistake: nothing
// tells of their children's ends any more.
const (
	firstRest = time.Second
	lastRest  = time.Minute
)

// lookUntilOver looks for ends until lead is over.
func (p *endPoller) lookUntilOver(w *endWaiter) error {
	for rest := firstRest; ; rest = min(2*rest, lastRest) {
		if err := p.epoll.SetReadDeadline(time.Now().Add(rest)); err != nil {
			return err
		}
		err := p.conn.Read(func(uintptr) bool { return p.look(w) })
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		p.mu.Lock()
		p.fail(func(w *endWaiter) bool { return !kernel.IsPidfd(w.pidfd, w.pid) })
		p.mu.Unlock()
		if p.look(w) {
			return nil
		}
	}
}

// look tells those whose children have ended, and reports whether lead is over.
func (p *endPoller) look(w *endWaiter) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	var events [16]unix.EpollEvent
	for n := len(events); n == len(events); {
		var err error
		if n, err = unix.EpollWait(p.fd, events[:], 0); err != nil && err != unix.EINTR {
			p.fail(func(*endWaiter) bool { return true })
		}
		for i := range max(n, 0) {
			key := events[i].Fd
			w := p.waiting[key]
			if w == nil {
				continue // it has failed, and the kernel has it for as long as a copy of the pidfd is open
			}
			w.over = true
			close(w.done)
			delete(p.waiting, key)
		}
	}
	return len(p.waiting) == 0 || w != nil && (w.over || w.failed)
}

// fail lets some find another way to wait. The caller holds p.mu.
func (p *endPoller) fail(those func(w *endWaiter) bool) {
	for key, w := range p.waiting {
		if !those(w) {
			continue
		}
		w.failed = true
		close(w.done)
		delete(p.waiting, key)
	}
}

// open makes the epoll instance. It needs no other way to be waited for than by
// Go's poller.
func (p *endPoller) open() bool {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return false
	}
	if fd, err = highfd.Raise(fd); err != nil {
		return false
	}
	if unix.SetNonblock(fd, true) != nil {
		unix.Close(fd)
		return false
	}
	f := os.NewFile(uintptr(fd), "epoll")
	conn, err := f.SyscallConn()
	if err != nil || !highfd.Pollable(f) {
		f.Close()
		return false
	}
	p.epoll, p.conn, p.fd, p.waiting = f, conn, fd, map[int32]*endWaiter{}
	return true
}

func (p *endPoller) close() {
	p.epoll.Close()
	p.epoll, p.conn, p.waiting = nil, nil, nil
}
