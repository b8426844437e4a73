//go:build !linux

package tree

import "syscall"

// pidfd is for Linux.
type pidfd struct{}

func keepPidfd(func(func(uintptr) error) error) *pidfd { return nil }

func (*pidfd) signalGroup(syscall.Signal) (ok bool, err error) { return false, nil }

func (*pidfd) runs() bool { return false }

func (*pidfd) close() {}
