//go:build (amd64 || arm64) && !android

package engine

import (
	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/raw"
)

// raisePidfd moves the pidfd of a child that has not been reaped to a number from 3
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
	} else if !isPidfdOf(n, pid) {
		unix.Close(n)
		n, fd = -1, -1
	}
	r.SetPidfd(n)
	if isPidfdOf(fd, pid) {
		unix.Close(fd)
	}
	return n
}

// isPidfdOf reports whether fd is a pidfd of a process, as far as /proc tells.
func isPidfdOf(fd, pid int) bool {
	if !procHasOurIDs() {
		return true
	}
	return pidOfPidfd(fd) == pid
}
