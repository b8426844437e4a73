package testenv

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Lacks reports whether the kernel has not a system call, or a filter refuses it. The call
// is made with arguments that are wrong, so that it does nothing.
func Lacks(number uintptr) bool {
	const bad = ^uintptr(0)
	_, _, errno := unix.RawSyscall6(number, bad, bad, bad, bad, bad, bad)
	return errno == unix.ENOSYS || errno == unix.EPERM
}

// NeedCall skips a test where a system call is lacking.
func NeedCall(t testing.TB, name string, number uintptr) {
	t.Helper()
	if Lacks(number) {
		Skip(t, "no "+name)
	}
}

// PidfdGroups reports whether a pidfd is enough to signal the process group of a child, as from
// Linux 6.9 on.
func PidfdGroups() bool {
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	const processGroup = 4
	err = unix.PidfdSendSignal(fd, 0, nil, processGroup)
	return err == nil || err == unix.ESRCH // this process may lead no group
}
