//go:build !windows

package exec

import "syscall"

// brokenPipe reports whether a write failed because nobody reads any more.
func brokenPipe(err error) bool { return err == syscall.EPIPE }
