//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/raw"
)

// askTries bounds how often a call is made that should not fail.
const askTries = 3

// ask asks whether the child has ended, with more options of waitid: exit is how,
// and its PID 0 if it has not. A call that fails for a reason of its own is made
// again, and then in the next way that there is.
func (c *child) ask(pid, options int) (errno syscall.Errno) {
	for way := c.firstWay(); way <= byWait4; way++ {
		for range askTries {
			errno = c.askBy(way, pid, options)
			if errno == 0 || errno == unix.ECHILD {
				return errno
			}
		}
	}
	return errno
}

// The ways to ask.
const (
	byPidfd = iota // a pid may be somebody else's once the child was reaped
	byPid
	byWait4 // which can't leave the child a zombie
)

func (c *child) firstWay() int {
	switch {
	case !kernel.Current().Waitid:
		return byWait4
	case c.pidfd >= 0:
		return byPidfd
	}
	return byPid
}

func (c *child) askBy(way, pid, options int) syscall.Errno {
	switch way {
	case byPidfd:
		return raw.Waitid(unix.P_PIDFD, c.pidfd, unix.WEXITED|unix.WNOHANG|options, &c.exit)
	case byPid:
		return raw.Waitid(unix.P_PID, pid, unix.WEXITED|unix.WNOHANG|options, &c.exit)
	}
	// The pid is the child's own for as long as nobody has reaped it.
	c.exit.PID = 0
	if c.pidfd >= 0 && kernel.Current().Pidfd && unix.PidfdSendSignal(c.pidfd, 0, nil, 0) == unix.ESRCH {
		return unix.ECHILD
	}
	if c.traced || options&unix.WNOWAIT != 0 {
		zombie, errno := zombieInProc(pid)
		if zombie && options&unix.WNOWAIT != 0 {
			c.exit.PID = pid
		}
		if errno != 0 || !zombie || options&unix.WNOWAIT != 0 {
			return errno
		}
	}
	return raw.Wait4(pid, unix.WNOHANG, &c.exit)
}

// zombieInProc asks /proc whether a child has ended. The error is ECHILD where it
// was reaped, and ENOTSUP where /proc can't tell.
func zombieInProc(pid int) (bool, syscall.Errno) {
	if !procHasOurIDs() {
		return false, unix.ENOTSUP
	}
	state, parent, err := procState(pid)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ESRCH):
		return false, unix.ENOTSUP
	case parent != os.Getpid():
		return false, unix.ECHILD
	}
	return state == 'Z', 0
}

// procState is a process's state and parent as /proc has them.
func procState(pid int) (state byte, parent int, err error) {
	text, err := highfd.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, 0, err
	}
	i := bytes.LastIndexByte(text, ')') // the name before it may be anything
	fields := bytes.Fields(text[i+1:])
	if len(fields) < 2 {
		return 0, 0, unix.EIO
	}
	parent, err = strconv.Atoi(string(fields[1]))
	return fields[0][0], parent, err
}

// awaitBlocking waits in a thread of its own, or looks again and again where no
// call blocks that leaves the child a zombie, so that its pid stays its own until
// look has the lock.
func (p *Process) awaitBlocking(look func(p *Process) bool) {
	for pause := time.Millisecond; !look(p); {
		if !p.block() {
			time.Sleep(pause)
			pause = min(2*pause, maxPause)
		}
	}
}

// maxPause is the longest time between two looks.
const maxPause = 50 * time.Millisecond

// block returns true when the child has ended, or was reaped, and false at once
// where it can't wait for that: waitid is refused, or the child is traced and at a
// stop.
func (p *Process) block() bool {
	if !kernel.Current().Waitid {
		return false
	}
	idType, id := unix.P_PID, p.pid
	p.mu.Lock()
	fd, err := p.child.dup()
	p.mu.Unlock()
	if err == nil {
		defer unix.Close(fd)
		idType, id = unix.P_PIDFD, fd
	}
	var x raw.Exit
	errno := raw.Waitid(idType, id, unix.WEXITED|unix.WNOWAIT, &x)
	return errno == unix.ECHILD || errno == 0 && x.PID != 0
}

// dup makes another descriptor of the pidfd.
func (c *child) dup() (int, error) {
	return highfd.Dup(c.pidfd)
}

// isOver reports whether a child has ended, whoever has waited for it.
func isOver(pid, pidfd int) bool {
	c := child{pidfd: pidfd}
	errno := c.ask(pid, unix.WNOWAIT)
	return errno == unix.ECHILD || errno == 0 && c.exit.PID != 0
}

// discard reaps a child that has ended, or is about to.
func discard(pid, pidfd int) {
	p := Process{pid: pid, child: child{pidfd: pidfd}}
	p.awaitBlocking((*Process).tryReap)
}
