//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// way is how a child is made, and how its parent learns that it is past execve.
type way uint8

const (
	// vforkWay lets the thread sleep in clone. No signal reaches it there, so
	// nothing that concerns all threads of the process can be done meanwhile: it
	// is for children whose steps can't wait for anything.
	vforkWay way = iota
	// futexWay waits for a word in memory, which the kernel clears when the child
	// does not share memory any more. Signals reach the thread. It takes about 4 µs
	// more.
	futexWay
	// relayWay has a first child make the child, and sleep in clone for it. This
	// process waits for a word, as in futexWay; to the kernel the child is one in
	// vfork. It takes a process more, and its time.
	relayWay
	// copyWay gives the child a copy of the memory, and a pipe that closes at
	// execve.
	copyWay
)

func (w way) flags() uint64 {
	switch w {
	case vforkWay, relayWay:
		return unix.CLONE_VM | unix.CLONE_VFORK
	case futexWay:
		return unix.CLONE_VM
	}
	return 0
}

// chooseWay finds the way for a program. A child that shares memory and is not in
// vfork would set the OOM score of this process, too.
func (p *Program) chooseWay(pl *plan.Plan) way {
	switch {
	case p.here != nil:
		return vforkWay // there is no child to wait for
	case !p.feat.SharedMemory:
		return copyWay
	case p.relay:
		return relayWay
	case (pl.MayWait || p.all || p.maps != nil || p.listens != nil || p.cgroup.File != nil) && !pl.OOMScore:
		return futexWay
	}
	return vforkWay
}

// restTime is the time between two looks at a child that takes long: what tells of
// its execve or end may be lost, as where another process has a copy of the pipe.
const restTime = 100 * time.Millisecond

// await returns true when the child is past execve or dead, and false when the
// context has ended and the child could not be ended.
func (a *attempt) await() bool {
	for a.way != vforkWay && !a.over(restTime) {
		if a.watch.gaveUp() {
			return false
		}
	}
	return true
}

// over waits for about a time limit for the child to be past execve or dead.
func (a *attempt) over(limit time.Duration) bool {
	switch a.way {
	case futexWay, relayWay:
		return (a.r.Await(limit) || a.child.over()) && a.r.AwaitRelay(limit)
	case copyWay:
		return (a.record.await(limit) || a.ended()) && a.r.AwaitRelay(limit)
	}
	return true
}

// ended is over for a child with a record, whose pipe may be open elsewhere, too. What it has
// written since somebody has last looked is read.
func (a *attempt) ended() bool {
	past, known := hadExec(a.child.PID)
	if known && past || a.child.over() || !known && a.record.lost() {
		a.record.look()
		return true
	}
	return false
}

// exiting is PF_EXITING in /proc/PID/stat: the process ends, and may have no memory any more.
const exiting = 0x4

// hadExec reports whether a child has had an execve, and whether /proc tells.
func hadExec(pid int) (past, known bool) {
	flags, known := flagsOf(pid)
	return flags&kernel.ForkNoExec == 0, known && kernel.Current().ExecSeen
}

// flagsOf are the flags of a child, as far as /proc tells.
func flagsOf(pid int) (flags uint64, known bool) {
	fields, err := kernel.Stat(strconv.Itoa(pid))
	if err != nil || !kernel.OurIDs() {
		return 0, false
	}
	flags, err = strconv.ParseUint(string(fields[kernel.StatFlags]), 10, 64)
	return flags, err == nil
}

// failedMutely reports whether a child that has a record to write has failed without that: a
// filter of its own may refuse the write. It is not past execve, and its pipe is closed, so
// it is about to end.
func (a *attempt) failedMutely() bool {
	if a.way != copyWay || a.tracing != nil {
		return false
	}
	if past, known := hadExec(a.child.PID); past || !known {
		return false
	}
	var x raw.Exit
	for begin := time.Now(); a.child.Ask(unix.WNOWAIT, &x) == 0 && x.PID == 0 && time.Since(begin) < killTime; {
		time.Sleep(restTime / 100)
	}
	if !a.feat.Waitid { // wait4 would reap it
		return statusInProc(a.child.PID) == raw.FailedStatus<<8
	}
	return x.PID != 0 && x.Status.Exited() && x.Status.ExitStatus() == raw.FailedStatus
}

// statusInProc is the status of a zombie as far as /proc tells, else 0.
func statusInProc(pid int) int {
	const exitCode = 49
	fields, err := kernel.Stat(strconv.Itoa(pid))
	if err != nil || len(fields) <= exitCode {
		return 0
	}
	n, _ := strconv.Atoi(string(fields[exitCode]))
	return n
}

// watcher kills a child that is still on its way to execve when a context ends.
type watcher struct {
	cancel   func() bool
	returned atomic.Bool // nothing is to be killed any more
	done     chan struct{}
	past     chan struct{} // closed when returned is set; only of watchChild
	left     atomic.Bool   // the child is there all the same

	stopped, ended bool // what stop has returned
}

// watchClone watches while the thread is in clone; it costs nothing where ctx can't
// end.
func watchClone(ctx context.Context, r *raw.Run) *watcher {
	if ctx.Done() == nil {
		return nil
	}
	w := &watcher{done: make(chan struct{})}
	w.cancel = context.AfterFunc(ctx, func() {
		defer close(w.done)
		// The kernel stores what identifies the child before the child runs, but
		// this may be earlier still.
		for !w.returned.Load() && !r.Kill() {
			time.Sleep(50 * time.Microsecond)
		}
	})
	return w
}

// killTime is how long a child may take to be gone that was sent a SIGKILL. What
// waits for a dead file server, or in a frozen cgroup of version 1, is not killed
// by it.
const killTime = time.Second

// watchChild watches a child that was made without CLONE_VFORK.
func (a *attempt) watchChild() *watcher {
	if a.ctx.Done() == nil {
		return nil
	}
	w := &watcher{done: make(chan struct{}), past: make(chan struct{})}
	w.cancel = context.AfterFunc(a.ctx, func() {
		defer close(w.done)
		if a.child.kill() == nil && w.ends(a.r) {
			return
		}
		if a.abort != 0 {
			a.r.SetShared(a.abort, 1)
		}
		w.left.Store(true)
		a.r.Interrupt()
	})
	return w
}

// ends reports whether a child that was sent a SIGKILL is gone in time. Its relay may be
// stopped, and is killed once the child is gone: until then the child shall be in vfork.
func (w *watcher) ends(r *raw.Run) bool {
	for begin := time.Now(); time.Since(begin) < killTime; {
		select {
		case <-w.past:
			return true
		case <-time.After(killTime / 100):
		}
		if !r.Shares() {
			killRelay(r)
		}
	}
	return false
}

// gaveUp reports whether the context has ended and the child has not.
func (w *watcher) gaveUp() bool { return w != nil && w.left.Load() }

// stop ends watching and reports whether the context ended meanwhile. It can be called
// again.
func (w *watcher) stop() bool {
	if w == nil {
		return false
	}
	if w.stopped {
		return w.ended
	}
	w.returned.Store(true)
	w.stopped, w.ended = true, !w.cancel()
	if !w.ended {
		return false
	}
	if w.past != nil {
		close(w.past)
	}
	<-w.done
	return true
}
