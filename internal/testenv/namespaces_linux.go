package testenv

import (
	"fmt"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// SkipNamespaces skips a test because what it tests has not made namespaces, for a reason. The
// test fails if os/exec makes them.
func SkipNamespaces(t testing.TB, flags uint, reason any) {
	t.Helper()
	if osMakes(flags) {
		t.Fatalf("namespaces %#x, which os/exec makes: %v", flags, reason)
	}
	Skip(t, fmt.Sprintf("no namespaces %#x: %v", flags, reason))
}

// osMakes reports whether os/exec makes namespaces, and can make the mounts of a mount
// namespace private, as it does after unshare. It can't make time namespaces.
func osMakes(flags uint) bool {
	makes := func(unshares uint) bool {
		c := exec.Command("/bin/true")
		c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: uintptr(flags &^ unshares), Unshareflags: uintptr(unshares)}
		return c.Run() == nil
	}
	return flags&unix.CLONE_NEWTIME == 0 && makes(0) && makes(flags&unix.CLONE_NEWNS)
}
