package main

import "golang.org/x/sys/unix"

// setForeground puts a process group into the foreground. The number of the request is
// larger than the argument's type, whose lower half is what counts.
func setForeground(fd, group int) error {
	const request = -0x7ffb8b8a
	return unix.IoctlSetPointerInt(fd, request, group)
}
