package attr

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// SeccompListener receives the system calls of which the filter of [Seccomp] notifies: those
// for which it returns SECCOMP_RET_USER_NOTIF. The zero value is ready to be the Listener of
// one child. It must not be copied.
//
// A call waits until it is answered by a method of its [SeccompCall]. The processes that the
// child makes have its filter, and their calls come to the same listener. Recv waits for the
// start, so another goroutine may call it before:
//
//	var l attr.SeccompListener
//	defer l.Close()
//	go serve(&l) // calls Recv until it fails
//	state, err := spawn.Run(ctx, &spawn.Spec{Path: path, Attr: attr.List{
//		attr.NoNewPrivs{}, attr.Seccomp{Filter: filter, Listener: &l}}})
//
// It has to be another goroutine if the filter notifies of execve: the first such call is the
// one that starts the program. The start waits for your answer then, and ends if its context
// does. It fails with the errno that you deny the execve with. The Args of this call are
// addresses in this process, because its memory is the child's until then.
//
// The listener never is a descriptor of the program. The child waits, before execve and
// whatever the filter says, until this process has taken it. For this the installed filter is
// longer than yours by some instructions. They notify of an execve without a path that is of
// no use to a program, and Recv answers it with EFAULT by itself. One start may have a
// listener. If a start fails, the next may have it. Else the error of the next start matches
// [syscall.EBUSY].
//
// The system calls that take a listener and answer a call work with the program's numbers
// and addresses. Read memory by [SeccompCall.ReadMemory], and never let a call go on by
// [SeccompCall.Continue] because of what you have read: the program can change it meanwhile.
//
// If the context ends while the child waits, the child is killed. This process may not be
// permitted to do so: it has CAP_SYS_PTRACE and not CAP_KILL, and the child has another user.
// Start returns all the same, and the child waits until somebody else kills it. The kernel has no
// other end for it: the child has a descriptor of the listener itself.
//
// A start fails with the step seccomp if its listener can't be taken. The error is EPERM if
// this process may not trace the child. Without CAP_SYS_PTRACE no child is made then. It is EBUSY if this process has a filter with a
// listener itself. It is EMFILE if [NoFile] leaves no number for the listener in the child.
// It is ENOSPC if the runtime's poller can't have the listener, as at the limit
// /proc/sys/fs/epoll/max_user_watches.
//
// Linux 5.6. Privilege: permission to trace the child. CAP_SYS_PTRACE is needed if the child
// changes its ids or capabilities, or is in a new user namespace. See seccomp_unotify(2).
type SeccompListener struct {
	mu       sync.Mutex
	begun    bool     // a start has it
	file     *os.File // nil: it has not come
	over     bool     // it won't come any more
	closed   bool
	changed  chan struct{} // closed at the next change
	receives chan struct{} // has an element while a call of Recv polls
}

// Recv waits for a system call. It returns the error of ctx when ctx ends, os.ErrClosed when
// the listener is closed, and io.EOF when all processes with the filter have ended and were
// waited for. Before Linux 5.9 there is no io.EOF. The end of a child whose start fails is no
// io.EOF: Recv waits for the next start. It can be called by any number of goroutines, and
// each call is received by one of them.
func (l *SeccompListener) Recv(ctx context.Context) (*SeccompCall, error) {
	var ended *os.File
	for {
		f, turns, err := l.await(ctx, ended)
		if err != nil {
			return nil, err
		}
		select {
		case turns <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		call, err := receive(ctx, f)
		<-turns
		switch {
		case err == io.EOF:
			ended = f // which the start may survive, by another child, or fail with
		case !errors.Is(err, os.ErrClosed):
			return call, err
		}
		// It was closed, or the start has failed and another may follow.
	}
}

// Close closes the listener, and ends Recv. Calls that wait fail with ENOSYS, and so do all
// that the filter notifies of from then on. A start whose child still waits for an answer
// fails: its error matches os.ErrClosed. Close it also if there was no start. It can be
// called again.
func (l *SeccompListener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	return l.drop()
}

// drop closes the file, and wakes those that wait.
func (l *SeccompListener) drop() (err error) {
	if l.file != nil {
		err = l.file.Close()
		l.file = nil
	}
	l.wake()
	return err
}

func (l *SeccompListener) wake() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// await waits for the file, or for another one than that whose processes have all ended.
func (l *SeccompListener) await(ctx context.Context, ended *os.File) (f *os.File, turns chan struct{}, err error) {
	for {
		l.mu.Lock()
		if l.receives == nil {
			l.receives = make(chan struct{}, 1)
		}
		if l.changed == nil {
			l.changed = make(chan struct{})
		}
		f, turns, changed, over := l.file, l.receives, l.changed, l.over
		closed := l.closed
		l.mu.Unlock()
		switch {
		case closed:
			return nil, nil, os.ErrClosed
		case f != nil && f != ended:
			return f, turns, nil
		case over:
			return nil, nil, io.EOF
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

// begin gives the listener to a start.
func (l *SeccompListener) begin() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return os.ErrClosed
	case l.begun:
		return syscall.EBUSY
	}
	l.begun = true
	return nil
}

// deliver is for the start that has the listener.
func (l *SeccompListener) deliver(f *os.File) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.drop()
	if l.closed {
		f.Close()
		return
	}
	l.file = f
}

func (l *SeccompListener) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// end says that the start is over.
func (l *SeccompListener) end(failed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if failed {
		l.begun = false
		_ = l.drop()
		return
	}
	l.over = true
	l.wake()
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

// receive waits for a call at a file. Nobody else does.
func receive(ctx context.Context, f *os.File) (*SeccompCall, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, os.ErrClosed
	}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		_ = f.SetReadDeadline(past)
	})
	var n raw.Notification
	var failed error
	err = conn.Read(func(fd uintptr) bool {
		var ready bool
		ready, failed = next(int(fd), &n)
		return ready || failed != nil
	})
	if !stop() {
		<-done
		_ = f.SetReadDeadline(time.Time{})
	}
	switch {
	case err == nil && failed == nil:
		return newCall(f, &n), nil
	case failed != nil:
		return nil, failed
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, ctx.Err()
	}
	return nil, os.ErrClosed
}

// next receives a call without waiting for one.
func next(fd int, n *raw.Notification) (received bool, err error) {
	for {
		ready, over := raw.NotifyReady(fd, 0)
		switch {
		case over:
			return false, io.EOF
		case !ready:
			return false, nil
		}
		switch errno := raw.NotifyReceive(fd, n); {
		case errno == syscall.ENOENT: // killed meanwhile
		case errno != 0:
			return false, os.NewSyscallError("ioctl", errno)
		case isRendezvous(n):
			_ = raw.NotifyAnswer(fd, raw.Answer{ID: n.ID, Errno: -int32(syscall.EFAULT)})
		default:
			return true, nil
		}
	}
}

// isRendezvous reports whether a program has made the call that is the engine's.
func isRendezvous(n *raw.Notification) bool {
	return n.NR == int32(raw.Execve.Number()) && n.Arch == auditArch && n.Args[0] == 0 && n.Args[1] == plan.Rendezvous
}

// rendezvous are instructions that notify of the engine's call, and go on with those that
// follow for each other call.
var rendezvous = []SockFilter{
	{Code: bpfLDAbs, K: 0},
	{Code: bpfJeq, Jf: 11, K: uint32(raw.Execve.Number())},
	{Code: bpfLDAbs, K: 4},
	{Code: bpfJeq, Jf: 9, K: auditArch},
	{Code: bpfLDAbs, K: raw.LowOfArg(0)},
	{Code: bpfJeq, Jf: 7, K: 0},
	{Code: bpfLDAbs, K: raw.HighOfArg(0)},
	{Code: bpfJeq, Jf: 5, K: 0},
	{Code: bpfLDAbs, K: raw.LowOfArg(1)},
	{Code: bpfJeq, Jf: 3, K: uint32(plan.Rendezvous & (1<<32 - 1))},
	{Code: bpfLDAbs, K: raw.HighOfArg(1)},
	{Code: bpfJeq, Jf: 1, K: uint32(plan.Rendezvous >> 32)},
	{Code: bpfRetK, K: seccompNotify},
}

// lowerListener has the child install the filter, whose listener it has then, and wait until
// this process has taken it.
func (s Seccomp) lowerListener(p *plan.Plan, prog raw.Arg) {
	number := p.Builder().Var()
	l := s.Listener
	p.SetListener(plan.Listener{Begin: l.begin, Deliver: l.deliver, Closed: l.isClosed, End: l.end, Number: number})
	if action, known := verdict(s.Filter, raw.Nanosleep); known && action == seccompNotify {
		p.NoPause = true
	}
	p.Call(plan.Seccomp, raw.Seccomp, raw.Int(seccompSetModeFilter), raw.Int(int64(s.Flags|seccompNewListener)), prog).Keep(number)
	p.Call(plan.Seccomp, raw.Execve, raw.Int(0), raw.Int(int64(plan.Rendezvous)), raw.Int(0))
}
