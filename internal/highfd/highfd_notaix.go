//go:build unix && !aix

package highfd

import "golang.org/x/sys/unix"

// DupFrom is Dup for a number from least on.
func DupFrom(fd, least int) (int, error) {
	return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, least)
}
