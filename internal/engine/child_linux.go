//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/group"
	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// askTries bounds how often a call is made that should not fail.
const askTries = 3

// Child is a child that has not been reaped.
type Child struct {
	PID      int
	Pidfd    int  // -1 where the kernel has none
	Traced   bool // somebody in this process waits for its stops
	Leads    bool // a process group, whose id is its pid
	Attached bool // it is not reaped here, and need not be a child

	silent bool // only __WALL waits for it, if it dies on its way through execve
	lost   bool // the number of the pidfd was somebody else's: other code has closed it
	reaped bool // by the pidfd
	holds  bool // the pidfd is the owner's

	Times   *plan.Times   // nil where the program is not timed
	Refused []*plan.Error // the optional attributes that it does not have

	claim raw.Claim    // to the number of the pidfd
	owner *raw.OSChild // package os has it, too; nil elsewhere
	seen  time.Time    // when the end of an attached one was seen
}

// Claim is the claim to the number of the pidfd.
func (c *Child) Claim() raw.Claim { return c.claim }

// Ask asks whether the child has ended, with more options of waitid: x is how, and
// its PID 0 if it has not. A call that fails for a reason of its own is made
// again, and then in the next way that there is.
func (c *Child) Ask(options int, x *raw.Exit) (errno syscall.Errno) {
	if c.Attached {
		return c.askAttached(options, x)
	}
	for way := c.firstWay(); way <= byWait4; way++ {
		for range askTries {
			errno = c.askBy(way, options, x)
			if way == byPidfd && c.isForeign(errno, x) {
				c.lose()
				break
			}
			c.reaped = way == byPidfd && errno == 0 && x.PID != 0 && options&unix.WNOWAIT == 0
			if c.Pidfd < 0 && (errno == unix.ECHILD || errno == 0 && x.PID != 0 && options&unix.WNOWAIT == 0) {
				forgetByPid(c.PID)
			}
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

func (c *Child) firstWay() int {
	if !c.claim.Holds(c.Pidfd) {
		c.lose()
	}
	switch {
	case !kernel.Current().Waitid:
		return byWait4
	case c.Pidfd >= 0:
		return byPidfd
	}
	return byPid
}

func (c *Child) askBy(way, options int, x *raw.Exit) syscall.Errno {
	options |= c.kinds()
	switch way {
	case byPidfd:
		return raw.Waitid(unix.P_PIDFD, c.Pidfd, unix.WEXITED|unix.WNOHANG|options, x)
	case byPid:
		return raw.Waitid(unix.P_PID, c.PID, unix.WEXITED|unix.WNOHANG|options, x)
	}
	// The pid is the child's own for as long as nobody has reaped it.
	x.PID = 0
	if c.Pidfd >= 0 && kernel.Current().Pidfd && unix.PidfdSendSignal(c.Pidfd, 0, nil, 0) == unix.ESRCH {
		return unix.ECHILD
	}
	if c.Traced || options&unix.WNOWAIT != 0 {
		zombie, errno := zombieInProc(c.PID)
		if zombie && options&unix.WNOWAIT != 0 {
			x.PID = c.PID
		}
		if errno != 0 || !zombie || options&unix.WNOWAIT != 0 {
			return errno
		}
	}
	return raw.Wait4(c.PID, unix.WNOHANG|c.kinds(), x)
}

// kinds are options for the kinds of children that are waited for.
func (c *Child) kinds() int {
	if c.silent {
		return unix.WALL
	}
	return 0
}

// zombieInProc asks /proc whether a child has ended. The error is ECHILD where it
// was reaped, and ENOTSUP where /proc can't tell.
func zombieInProc(pid int) (bool, syscall.Errno) {
	if !kernel.OurIDs() {
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
	fields, err := kernel.Stat(strconv.Itoa(pid))
	if err != nil {
		return 0, 0, err
	}
	parent, err = strconv.Atoi(string(fields[1]))
	return fields[0][0], parent, err
}

// Signal sends a signal. It returns os.ErrProcessDone when the child is gone.
func (c *Child) Signal(s syscall.Signal) error {
	if c.Attached {
		return c.signalAttached(s)
	}
	var err error
	if !c.Holds() {
		c.lose()
	}
	byPidfd := c.Pidfd >= 0 && kernel.Current().Pidfd
	if byPidfd {
		err = unix.PidfdSendSignal(c.Pidfd, s, nil, 0)
	}
	// A filter may be against the one call, and not against the other.
	if !byPidfd && !c.lost || (c.lost || err == unix.ENOSYS || err == unix.EPERM) && c.Ask(unix.WNOWAIT, new(raw.Exit)) == 0 {
		err = unix.Kill(c.PID, s)
	}
	if err == unix.ESRCH {
		return os.ErrProcessDone
	}
	return err
}

// SignalGroup sends a signal to the process group that the child leads. It returns
// os.ErrProcessDone when nobody is in it, or when that can't be known any more: the
// number is the group's for as long as nobody has reaped the child.
func (c *Child) SignalGroup(s syscall.Signal) error {
	if !c.Holds() {
		c.lose()
	}
	var err error = unix.EINVAL
	if c.Pidfd >= 0 && kernel.Current().Pidfd {
		err = group.Signal(c.Pidfd, s)
	}
	if err == unix.EINVAL || err == unix.ENOSYS || err == unix.EPERM { // before Linux 6.9, or a filter
		switch errno := c.Ask(unix.WNOWAIT, new(raw.Exit)); errno {
		case 0:
			err = unix.Kill(-c.PID, s)
		case unix.ECHILD:
			err = unix.ESRCH
		}
	}
	if err == unix.ESRCH {
		return os.ErrProcessDone
	}
	return err
}

// HasGroup reports whether somebody is in the process group that the child leads, which
// may be the child as a zombie. Before Linux 6.9 it is not known once the child was reaped.
func (c *Child) HasGroup() (some, known bool) {
	if c.Pidfd >= 0 && kernel.Current().Pidfd && c.Holds() {
		switch group.Signal(c.Pidfd, 0) {
		case nil:
			return true, true
		case unix.ESRCH:
			return false, true
		}
	}
	unreaped := c.Ask(unix.WNOWAIT, new(raw.Exit)) == 0
	return unreaped, unreaped
}

// kill sends SIGKILL. Nobody does so later where it can't.
func (c *Child) kill() (err error) {
	for range askTries {
		if c.Pidfd >= 0 && c.Holds() {
			err = unix.PidfdSendSignal(c.Pidfd, unix.SIGKILL, nil, 0)
		} else {
			err = unix.EBADF
		}
		if err != nil && err != unix.ESRCH {
			err = unix.Kill(c.PID, unix.SIGKILL)
		}
		if err == nil || err == unix.ESRCH {
			return nil
		}
	}
	return err
}

// Dup makes another descriptor of the pidfd.
func (c *Child) Dup() (int, error) { return highfd.Dup(c.Pidfd) }

// AwaitEnd waits until look, which asks whether a child has ended, returns true. It
// waits in a thread where dup makes another pidfd, and otherwise, when dup returns -1,
// in the one thread that waits for the ends of all; in this thread where timers would take
// the last descriptors. It looks again and again where dup
// is nil, and where no call blocks that leaves the child a zombie, so that its pid
// stays its own until look returns true.
func AwaitEnd(pid int, dup func() int, look func() bool) {
	for pause := time.Millisecond; !look(); {
		if kernel.Current().Waitid && dup != nil {
			fd := dup()
			if fd < 0 && highfd.SettlePoller() {
				allEnds.await(pid, look)
				return
			}
			if block(pid, fd) {
				continue
			}
		}
		time.Sleep(pause)
		pause = min(2*pause, maxPause)
	}
}

// maxPause is the longest time between two looks.
const maxPause = 50 * time.Millisecond

// block returns true when a child has ended, or was reaped, and false at once where it
// can't wait for that: the child is traced and at a stop. fd is a pidfd, which it closes,
// or -1.
func block(pid, fd int) bool {
	idType, id := unix.P_PID, pid
	if fd >= 0 {
		defer unix.Close(fd)
		idType, id = unix.P_PIDFD, fd
	}
	var x raw.Exit
	errno := raw.Waitid(idType, id, unix.WEXITED|unix.WNOWAIT, &x)
	return errno == unix.ECHILD || errno == 0 && x.PID != 0
}

// over reports whether the child has ended, whoever has waited for it.
func (c *Child) over() bool {
	var x raw.Exit
	errno := c.Ask(unix.WNOWAIT, &x)
	return errno == unix.ECHILD || errno == 0 && x.PID != 0
}

// Settled reports whether the child may be reaped: the stops of a child that is traced
// are for its tracer.
func (c *Child) Settled(x *raw.Exit) bool {
	return !c.Traced || c.Ask(unix.WNOWAIT, x) != 0 || x.PID != 0
}

// Change asks whether the child was stopped or continued, and says so only once. status
// is how.
func (c *Child) Change() (status syscall.WaitStatus, changed bool, errno syscall.Errno) {
	idType, id := unix.P_PIDFD, c.Pidfd
	if !c.Holds() {
		idType, id = unix.P_PID, c.PID
	}
	var x raw.Exit
	errno = raw.Waitid(idType, id, unix.WSTOPPED|unix.WCONTINUED|unix.WNOHANG, &x)
	return x.Status, errno == 0 && x.PID != 0, errno
}

// Taken finds the status of a child that somebody else has waited for.
func (c *Child) Taken() (status syscall.WaitStatus, err error) {
	if c.Attached {
		return c.takenAttached()
	}
	if c.Pidfd >= 0 && kernel.Current().PidfdInfo {
		if status, ok := raw.PidfdExit(c.Pidfd, kernel.PublishTime); ok {
			return status, nil
		}
	}
	return 0, plan.ErrStatusTaken
}

// Crash finds the si_code of the signal that has crashed the child, as its status says.
func (c *Child) Crash(status syscall.WaitStatus) (code int32, ok bool) {
	if !status.Signaled() || c.Pidfd < 0 || !kernel.Current().PidfdInfo || !c.claim.Holds(c.Pidfd) {
		return 0, false
	}
	switch status.Signal() {
	case unix.SIGKILL, unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGPIPE, unix.SIGALRM, unix.SIGUSR1, unix.SIGUSR2:
		return 0, false // which make no core
	}
	return raw.PidfdCrash(c.Pidfd)
}

// reap reaps the child if it has ended, and returns true where there is nothing more
// to wait for.
func (c *Child) reap(x *raw.Exit) bool {
	if !c.Settled(x) {
		return false
	}
	errno := c.Ask(0, x)
	return errno != 0 && errno != unix.ENOTSUP || errno == 0 && x.PID != 0
}

// discard reaps a child that has ended, or is about to.
func (c *Child) discard() {
	var x raw.Exit
	if c.silent {
		poll(func() bool { return c.reap(&x) })
	} else {
		AwaitEnd(c.PID, c.DupOrNone, func() bool { return c.reap(&x) })
	}
	c.Close()
}

// DupOrNone is Dup, and -1 where there is none.
func (c *Child) DupOrNone() int {
	fd, err := c.Dup()
	if err != nil {
		return -1
	}
	return fd
}

// Close closes the pidfd, unless the number is somebody else's.
func (c *Child) Close() {
	switch {
	case c.holds:
		c.holds = false
		c.owner.LetGo(c.Closable())
	case c.Closable():
		unix.Close(c.Pidfd)
	}
	c.Pidfd = -1
}
