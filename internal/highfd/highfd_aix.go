package highfd

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// DupFrom is Dup for a number from least on. The system has no F_DUPFD_CLOEXEC.
func DupFrom(fd, least int) (int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD, least)
	if err == nil {
		unix.CloseOnExec(n)
	}
	return n, err
}
