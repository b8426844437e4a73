//go:build unix && !aix

package main

import "golang.org/x/sys/unix"

// setForeground puts a process group into the foreground.
func setForeground(fd, group int) error { return unix.IoctlSetPointerInt(fd, unix.TIOCSPGRP, group) }
