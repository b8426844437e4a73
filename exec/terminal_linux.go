//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec

import (
	"errors"
	"io"
	"os"
	"runtime"
	"sync"
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

	lent int // the group of a child that has got it, among borrowers
	over bool
	done chan struct{} // closed when it is over
}

// foreground is for all terminals. It is locked from the question which group is in the
// foreground until another one is there, for two children not to be given it at once.
var foreground struct {
	sync.Mutex
	borrowers map[int]bool // groups of children that have got it
	beginning bool         // a child may be there already that is not among borrowers yet
}

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

// foregroundOf is the terminal that a child is to read from, and to begin in the foreground
// of, until begun; nil if it is another file, or this process is not there itself. Of
// children that are started at once only one begins there: a read that has begun goes on
// when its process is in the background.
func foregroundOf(stdin io.Reader) *terminal {
	in, ok := stdin.(*os.File)
	if !ok {
		return nil
	}
	foreground.Lock()
	defer foreground.Unlock()
	if foreground.beginning {
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
	foreground.beginning = true
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
		if signal == 0 || !t.answer(signal, pid) {
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
	foreground.Lock()
	defer foreground.Unlock()
	now, err := t.tty.group()
	switch {
	case foreground.beginning:
		return false // now may be its group; one looks again
	case now == pid:
		return true
	case signal == unix.SIGTSTP, now <= 0, err != nil:
		return false
	case now != t.tty.own && spawntree.GroupAlive(now):
		return !foreground.borrowers[now] // else it has to wait
	}
	t.tty.put(pid)
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

// begun is for the group of a child that begins in the foreground, which is 0 if there
// is none.
func (t *terminal) begun(group int) {
	if t == nil || t.asks {
		return
	}
	foreground.Lock()
	defer foreground.Unlock()
	foreground.beginning = false
	if group != 0 {
		t.borrow(group)
	}
}

// set puts a process group into the foreground, if another one is there, or one
// whose processes are dead. It does nothing where the terminal is gone.
func (t *terminal) set(from, to int) {
	foreground.Lock()
	defer foreground.Unlock()
	now, err := t.group()
	if err == nil && now != to && (now == from || !spawntree.GroupAlive(now)) {
		t.put(to)
	}
}

// group is the process group in the foreground. It fails where the terminal is gone.
func (t *terminal) group() (now int, err error) {
	err = highfd.WithNumber(t.file, func(fd int) (err error) {
		now, err = unix.IoctlGetInt(fd, unix.TIOCGPGRP)
		return err
	})
	return now, err
}

// put puts a process group into the foreground, which is locked.
func (t *terminal) put(group int) {
	err := highfd.WithNumber(t.file, func(fd int) error {
		return fromBackground(func() error { return unix.IoctlSetPointerInt(fd, unix.TIOCSPGRP, group) })
	})
	if err == nil && group != t.own {
		t.borrow(group)
	}
}

// borrow notes the group of a child that is in the foreground, which is locked.
func (t *terminal) borrow(group int) {
	if foreground.borrowers == nil {
		foreground.borrowers = make(map[int]bool)
	}
	foreground.borrowers[group] = true
	t.lent = group
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
	if !t.asks || t.hasLent() {
		t.set(0, t.own)
	}
	foreground.Lock()
	defer foreground.Unlock()
	delete(foreground.borrowers, t.lent)
	if !t.over {
		t.over = true
		t.file.Close()
		close(t.done)
	}
}

// hasLent reports whether the child has got the terminal.
func (t *terminal) hasLent() bool {
	foreground.Lock()
	defer foreground.Unlock()
	return t.lent != 0
}
