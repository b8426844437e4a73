//go:build !linux

package raw

import (
	"syscall"
	"time"
)

// NotifyReady says that there is nothing to be received.
func NotifyReady(int, time.Duration) (ready, over bool) { return false, true }

// NotifyReceive always fails, and so do the next.
func NotifyReceive(int, *Notification) syscall.Errno { return syscall.ENOSYS }

func NotifyAnswer(int, Answer) syscall.Errno { return syscall.ENOSYS }

func NotifyWaits(int, uint64) syscall.Errno { return syscall.ENOSYS }

func NotifyAddFD(int, uint64, int, bool, bool) (int, syscall.Errno) { return 0, syscall.ENOSYS }

func ReadMemoryOf(int, uint64, []byte) (int, error) { return 0, syscall.ENOSYS }
