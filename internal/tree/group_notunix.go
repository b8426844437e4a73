//go:build !unix

package tree

import (
	"os"
	"syscall"
)

// Child is a child as its tree needs it.
type Child interface {
	Pid() int
	Kill() error
}

// signalGroup is for Unix: there are no process groups here.
func (l *leader) signalGroup(syscall.Signal) error { return os.ErrProcessDone }

func (l *leader) gone() bool { return l.reaped }

// GroupAlive is never asked of a group.
func GroupAlive(int) bool { return false }
