//go:build unix && !linux

package tree

import (
	"os"
	"runtime"
	"syscall"
)

// Child is a child as its tree needs it.
type Child interface {
	Pid() int
	Signal(sig os.Signal) error
	// SignalTree sends to the process group that the child leads. It returns
	// os.ErrProcessDone when the child was reaped: its pid may be anybody's.
	SignalTree(sig os.Signal) error
}

func (l *Leader) signalGroup(sig syscall.Signal) error {
	if !l.leads || l.reaped {
		return os.ErrProcessDone
	}
	return l.child.SignalTree(sig)
}

// gone reports whether the child was reaped. Signal knows when somebody else has.
func (l *Leader) gone() bool { return l.reaped }

// GroupAlive reports whether a process group has processes. Where the system tells,
// zombies don't count: somebody else is to reap those.
func GroupAlive(pgid int) bool {
	switch err := syscall.Kill(-pgid, 0); err {
	case syscall.ESRCH:
		return false
	case syscall.EPERM: // so it is where all are zombies
		return runtime.GOOS != "darwin" && runtime.GOOS != "ios"
	}
	return true
}

// countGroup is 1 where there is anybody.
func countGroup(pgid int) (n int, known bool) {
	if GroupAlive(pgid) {
		return 1, true
	}
	return 0, true
}
