//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// Attach makes a Child of any process. The error is os.ErrProcessDone where nobody has
// the pid.
func Attach(pid int) (Child, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err == unix.ESRCH {
		return Child{}, os.ErrProcessDone
	}
	if err == nil {
		fd, err = highfd.Raise(fd)
	}
	if err != nil {
		return Child{}, os.NewSyscallError("pidfd_open", err)
	}
	return Child{PID: pid, Pidfd: fd, Attached: true, claim: raw.ClaimPidfd(fd)}, nil
}

// AttachPidfd is Attach for the process of a pidfd, which stays the caller's. The pidfd
// is opened anew: the flags of a duplicate would be those of the caller's. Before Linux 6.13
// only /proc tells its pid.
func AttachPidfd(pidfd int) (Child, error) {
	if err := unix.PidfdSendSignal(pidfd, 0, nil, 0); err == unix.EBADF || err == unix.EINVAL {
		return Child{}, os.NewSyscallError("pidfd_send_signal", err) // it is no pidfd, or one of another pid namespace
	}
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_PID}
	pid := 0
	switch {
	case kernel.Current().PidfdInfo:
		if err := unix.IoctlPidfdInfo(pidfd, &info); err == nil {
			pid = int(info.Pid)
		}
	case !kernel.OurIDs():
		return Child{}, &attr.UnsupportedError{What: "a pidfd that tells its pid, or a /proc of this pid namespace", Since: "6.13"}
	default:
		pid = kernel.NumberOfPidfd(pidfd)
	}
	if pid <= 0 {
		return Child{}, os.ErrProcessDone
	}
	c, err := Attach(pid)
	if err != nil {
		return Child{}, err
	}
	// Nobody has reaped it so far, so the pid has been its own all the time.
	if unix.PidfdSendSignal(pidfd, 0, nil, 0) == unix.ESRCH {
		c.Close()
		return Child{}, os.ErrProcessDone
	}
	return c, nil
}

// statusTime is how long an attached process that has ended may take to be reaped by
// its parent: the kernel tells the status then, and not before.
const statusTime = time.Second

// askAttached is Ask for an attached process, which is not reaped. A child of this
// process that nobody has reaped tells its status at once. The error is ECHILD where
// Taken has the status, if there is one.
func (c *Child) askAttached(options int, x *raw.Exit) syscall.Errno {
	x.PID = 0
	if !c.Holds() {
		c.lose()
		return unix.ECHILD
	}
	poll := []unix.PollFd{{Fd: int32(c.Pidfd), Events: unix.POLLIN}}
	if n, err := unix.Poll(poll, 0); n != 1 || err != nil {
		return 0
	}
	if options&unix.WNOWAIT != 0 {
		x.PID = c.PID
		return 0
	}
	errno := raw.Waitid(unix.P_PIDFD, c.Pidfd, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, x)
	if errno == 0 && x.PID != 0 {
		return 0
	}
	x.PID = 0
	if c.seen.IsZero() {
		c.seen = time.Now()
	}
	if time.Since(c.seen) >= statusTime || unix.PidfdSendSignal(c.Pidfd, 0, nil, 0) == unix.ESRCH {
		return unix.ECHILD
	}
	return 0
}

// Unread reports whether the end of an attached process was seen, and its status was
// still to come.
func (c *Child) Unread() bool { return !c.seen.IsZero() }

// takenAttached is Taken for an attached process.
func (c *Child) takenAttached() (status syscall.WaitStatus, err error) {
	if c.Pidfd >= 0 && kernel.Current().PidfdInfo {
		if status, ok := raw.PidfdExit(c.Pidfd, 0); ok {
			return status, nil
		}
	}
	return 0, plan.ErrStatusUnknown
}

// signalAttached is Signal for an attached process, whose pid says nothing: it may be
// another's once its parent has reaped it.
func (c *Child) signalAttached(s syscall.Signal) error {
	if !c.Holds() {
		c.lose()
		return os.NewSyscallError("pidfd_send_signal", unix.EBADF)
	}
	if err := unix.PidfdSendSignal(c.Pidfd, s, nil, 0); err != unix.ESRCH {
		return err
	}
	return os.ErrProcessDone
}
