//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package forkexec

// AwaitEnd can't wait without reaping.
func (c Child) AwaitEnd() bool { return false }
