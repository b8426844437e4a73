//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd && !windows

package forkexec

// SeesEnd says that AwaitEnd does not work.
const SeesEnd = false

// AwaitEnd can't wait without reaping.
func (c Child) AwaitEnd() bool { return false }
