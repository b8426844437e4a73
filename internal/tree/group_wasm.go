package tree

import (
	"os"
	"syscall"
)

// Child is a child as its tree needs it.
type Child interface {
	Pid() int
	Signal(sig os.Signal) error
}

// signalGroup has nobody: there are no processes here.
func (l *Leader) signalGroup(syscall.Signal) error { return os.ErrProcessDone }

func (l *Leader) gone() bool { return l.reaped }

// GroupAlive is never asked of a group.
func GroupAlive(int) bool { return false }

// countGroup is asked only of a child that has not ended.
func countGroup(int) (n int, known bool) { return 1, true }
