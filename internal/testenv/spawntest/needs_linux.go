//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package spawntest

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/testenv"
)

// NeedPidfd skips a test of what only pidfds make possible.
func NeedPidfd(t testing.TB) {
	t.Helper()
	skipIf(t, lacksPidfd())
}

// NeedListener skips a test of a listener of a filter, which this process takes from the
// child.
func NeedListener(t testing.TB) {
	t.Helper()
	skipIf(t, LacksListener())
}

func skipIf(t testing.TB, reason string) {
	t.Helper()
	if reason != "" {
		testenv.Skip(t, reason)
	}
}

// LacksListener is what is missing for a listener, or "".
func LacksListener() string {
	if reason := lacksPidfd(); reason != "" {
		return reason
	}
	return testenv.LacksCall("pidfd_getfd", unix.SYS_PIDFD_GETFD)
}

func lacksPidfd() string {
	if !kernel.Current().Pidfd {
		return "no pidfds"
	}
	if reason := testenv.LacksCall("pidfd_open", unix.SYS_PIDFD_OPEN); reason != "" {
		return reason
	}
	return testenv.LacksCall("pidfd_send_signal", unix.SYS_PIDFD_SEND_SIGNAL)
}

// NeedBest skips a test of what is promised where the engine has all that it needs for
// speed.
func NeedBest(t testing.TB) {
	t.Helper()
	f := kernel.Current()
	if !f.Clone3 || !f.CloseRange || !f.Cgroup || !f.SharedMemory || !f.Waitid {
		testenv.Skip(t, "the engine has not all that it needs for speed")
	}
	NeedPidfd(t)
}
