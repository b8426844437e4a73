//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64) && !android && !spawn_forkexec

package exec

import (
	"errors"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/raw"
	spawntree "github.com/safespawn/spawn/internal/tree"
)

// terminal is this process's controlling terminal, in whose foreground a child is
// for a time, as a job of a shell.
type terminal struct {
	file *os.File
	own  int // this process's group

	asks bool // the child is in the background until it reads or sets the terminal

	mu   sync.Mutex
	over bool
	lent int // the group of a child that has got it, among borrowers
	done chan struct{}
}

// borrowers are the groups of children that are in the foreground. beginners is how many
// may be there already, and are not among borrowers yet.
var (
	borrowers sync.Map
	beginners atomic.Int32
)

// controlling is this process's controlling terminal, for a child that does not have it
// as its Stdin: nobody knows whether it will read it. It is nil where there is none.
func controlling() *terminal {
	const name = "/dev/tty"
	fd, err := highfd.Open(name, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	return &terminal{file: os.NewFile(uintptr(fd), name), own: unix.Getpgrp(), asks: true, done: make(chan struct{})}
}

// foregroundOf is the terminal that a child is to read from; nil if it is another
// file, or this process is not in the foreground itself.
func foregroundOf(stdin io.Reader) *terminal {
	in, ok := stdin.(*os.File)
	if !ok {
		return nil
	}
	own, fd := unix.Getpgrp(), -1
	err := highfd.WithNumber(in, func(n int) error {
		fg, err := unix.IoctlGetInt(n, unix.TIOCGPGRP)
		if err != nil || fg != own {
			return unix.ENOTTY
		}
		fd, err = unix.FcntlInt(uintptr(n), unix.F_DUPFD_CLOEXEC, 3)
		return err
	})
	if err != nil {
		return nil
	}
	return &terminal{file: os.NewFile(uintptr(fd), in.Name()), own: own, done: make(chan struct{})}
}

// stopPoll is how often a child in the foreground is asked whether it was stopped:
// no descriptor tells, and SIGCHLD is the program's.
const stopPoll = 100 * time.Millisecond

// lend sees to it that the user can stop the child from the terminal, until
// takeBack: this process stops then, too, as the shell expects of its job.
func (t *tree) lend() {
	tick := time.NewTicker(stopPoll)
	defer tick.Stop()
	for {
		select {
		case <-t.tty.done:
			return
		case <-tick.C:
		}
		signal, err := t.stopped()
		if err != nil {
			return // it was reaped
		}
		pid := t.proc.Pid()
		if signal == 0 || t.tty.asks && !t.answer(signal, pid) {
			continue
		}
		t.tty.set(pid, t.tty.own)
		_ = unix.Kill(0, unix.SIGTSTP) // no effect where no shell would continue it
		time.Sleep(stopPoll / 10)      // it takes a moment to have one
		t.tty.set(t.tty.own, pid)
		_ = t.lead.SignalGroup(unix.SIGCONT) // it may have been killed
	}
}

// answer gives the terminal to a child that was stopped because it needs it, if this
// process has it. It returns true where this process is to stop, too: the child had the
// terminal, or the shell has it.
func (t *tree) answer(signal unix.Signal, pid int) bool {
	tty := t.tty
	now := 0
	_ = highfd.WithNumber(tty.file, func(fd int) (err error) { // else it is gone
		now, err = unix.IoctlGetInt(fd, unix.TIOCGPGRP)
		return err
	})
	if beginners.Load() > 0 {
		return false // now may be its group; one looks again
	}
	_, borrowed := borrowers.Load(now)
	switch {
	case now == pid:
		return true
	case signal == unix.SIGTSTP, now <= 0:
		return false
	case now != tty.own && spawntree.GroupAlive(now):
		return !borrowed // else it has to wait
	}
	tty.set(tty.own, pid)
	_ = t.lead.SignalGroup(unix.SIGCONT) // it may have been killed
	return false
}

// stopped is the signal of a terminal by which the child is stopped, and else 0.
func (t *tree) stopped() (unix.Signal, error) {
	var x raw.Exit
	wait := func(idType, id int) error {
		if errno := raw.Waitid(idType, id, unix.WSTOPPED|unix.WNOHANG|unix.WNOWAIT, &x); errno != 0 {
			return errno
		}
		return nil
	}
	err := t.proc.WithPidfd(func(fd uintptr) error { return wait(unix.P_PIDFD, int(fd)) })
	if errors.Is(err, errors.ErrUnsupported) {
		err = wait(unix.P_PID, t.proc.Pid())
	}
	if err != nil || x.PID == 0 {
		return 0, err
	}
	switch s := x.Status.StopSignal(); s {
	case unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU:
		return s, nil
	}
	return 0, nil
}

// begin is for a child that begins in the foreground, before it is started.
func (t *terminal) begin() {
	if t != nil && !t.asks {
		beginners.Add(1)
	}
}

// begun is for the group of that child, which is 0 if there is none.
func (t *terminal) begun(group int) {
	if t == nil || t.asks {
		return
	}
	defer beginners.Add(-1)
	if group == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	borrowers.Store(group, nil)
	t.lent = group
}

// set puts a process group into the foreground, if another one is there, or one
// whose processes are dead. It does nothing where the terminal is gone.
func (t *terminal) set(from, to int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return
	}
	_ = highfd.WithNumber(t.file, func(fd int) error {
		now, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
		if err == nil && now != to && (now == from || !spawntree.GroupAlive(now)) {
			err = fromBackground(func() error { return unix.IoctlSetPointerInt(fd, unix.TIOCSPGRP, to) })
			if err == nil && to != t.own {
				borrowers.Store(to, nil)
				t.lent = to
			}
		}
		return err
	})
}

// fromBackground calls f in a thread that SIGTTOU doesn't stop.
func fromBackground(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var block, old unix.Sigset_t
	block.Val[0] = 1 << (uint(unix.SIGTTOU) - 1)
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &block, &old); err != nil {
		return err
	}
	err := f()
	for unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil) != nil {
		runtime.Gosched()
	}
	return err
}

// takeBack puts this process's group back into the foreground, however the child
// has ended, unless somebody else is there by now.
func (t *terminal) takeBack() {
	if t == nil {
		return
	}
	if t.hasLent() || !t.asks {
		t.set(0, t.own)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	borrowers.Delete(t.lent)
	if !t.over {
		t.over = true
		close(t.done)
		t.file.Close()
	}
}

// hasLent reports whether the child has got the terminal.
func (t *terminal) hasLent() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lent != 0
}
