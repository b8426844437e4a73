//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/raw"
)

// raisePidfd moves the pidfd of a child, which others may have reaped, to a number from 3
// up. clone gives it the lowest that is free; where that is 0, 1 or 2 it can't stay,
// as programs put files of their own there, and perhaps have by now. Where it can't
// be had the child is known by its pid.
func raisePidfd(r *raw.Run, pid int) int {
	fd := r.Pidfd()
	if fd < 0 || fd >= highfd.Least {
		return fd
	}
	n, err := highfd.Dup(fd)
	if err != nil {
		n = -1
	} else if !kernel.IsPidfd(n, pid) {
		unix.Close(n)
		n, fd = -1, -1
	}
	r.SetPidfd(n)
	if kernel.IsPidfd(fd, pid) {
		unix.Close(fd)
	}
	return n
}

// Holds reports whether the number of the pidfd still is that, as far as can be found
// out: other code may have closed it by mistake, and opened something else. It changes
// nothing.
func (c *Child) Holds() bool {
	return c.Pidfd >= 0 && c.claim.Holds(c.Pidfd) && kernel.IsPidfd(c.Pidfd, c.PID)
}

// Closable reports whether the number of the pidfd may be closed.
func (c *Child) Closable() bool {
	return c.Pidfd >= 0 && (c.reaped && c.claim.Holds(c.Pidfd) || c.Holds())
}

// Check gives up the number of the pidfd where it costs next to nothing to find out
// that it is somebody else's.
func (c *Child) Check() {
	if c.Pidfd >= 0 && (!c.claim.Holds(c.Pidfd) || kernel.Current().PidfdInfo && !c.Holds()) {
		c.lose()
	}
}

// isForeign reports whether an answer to waitid shows that the number is not that of
// the pidfd. A filter may have given it.
func (c *Child) isForeign(errno syscall.Errno, x *raw.Exit) bool {
	return errno == unix.EBADF && !c.Holds() || errno == 0 && x.PID != 0 && x.PID != c.PID
}

// lose gives up the number of the pidfd. The child is known by its pid from then on.
func (c *Child) lose() {
	if c.Pidfd >= 0 {
		c.Pidfd, c.lost = -1, true
		if !c.Attached {
			noteByPid(c.PID)
		}
	}
}

// Lost reports whether the number of the pidfd was somebody else's when it was used.
func (c *Child) Lost() bool { return c.lost }
