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
	if reason := LacksCall(name, number); reason != "" {
		Skip(t, reason)
	}
}

// LacksCall is why NeedCall skips a test, or "".
func LacksCall(name string, number uintptr) string {
	if Lacks(number) {
		return "no " + name
	}
	return ""
}

// NeedCThreads skips what programs need whose C library makes threads, or children by
// posix_spawn: after clone3 has failed it goes on only where the errno is ENOSYS.
func NeedCThreads(t testing.TB) {
	t.Helper()
	const bad = ^uintptr(0)
	if _, _, errno := unix.RawSyscall(unix.SYS_CLONE3, bad, bad, 0); errno == unix.EPERM {
		Skip(t, "clone3 is refused with EPERM, at which C libraries make no threads")
	}
}

// NeedOSWait skips what waits by package os: after waitid it goes on with wait4 only where the
// errno is ENOSYS.
func NeedOSWait(t testing.TB) {
	t.Helper()
	const bad = ^uintptr(0)
	if _, _, errno := unix.RawSyscall6(unix.SYS_WAITID, bad, bad, bad, bad, bad, 0); errno == unix.EPERM {
		Skip(t, "waitid is refused with EPERM, at which package os can't wait")
	}
}

// LacksOwnTable reports whether no call gives a thread descriptors of its own.
func LacksOwnTable() bool { return Lacks(unix.SYS_UNSHARE) && Lacks(unix.SYS_CLOSE_RANGE) }

// PidfdGroups reports whether a pidfd is enough to signal the process group of a child, as from
// Linux 6.9 on.
func PidfdGroups() bool {
	self, err := os.FindProcess(os.Getpid()) // package os has no pidfds where children get none
	if err != nil {
		return false
	}
	defer self.Release()
	const processGroup = 4
	signals := false
	_ = self.WithHandle(func(fd uintptr) { // else there is none
		err := unix.PidfdSendSignal(int(fd), 0, nil, processGroup)
		signals = err == nil || err == unix.ESRCH // this process may lead no group
	})
	return signals
}
