package tree

import (
	"os"
	"syscall"
)

// Child is a child as its tree needs it.
type Child interface {
	Pid() int
	Signal(sig os.Signal) error
	// SignalTree interrupts the process group that the child leads.
	SignalTree(sig os.Signal) error
}

func (l *Leader) signalGroup(sig syscall.Signal) error {
	if !l.leads || l.reaped || sig == syscall.SIGKILL { // which the job does
		return os.ErrProcessDone
	}
	return l.child.SignalTree(sig)
}

func (l *Leader) gone() bool { return l.reaped }

// GroupAlive is not known: the job says who is alive.
func GroupAlive(int) bool { return false }

// countGroup is asked only of a child that has not ended.
func countGroup(int) (n int, known bool) { return 1, true }
