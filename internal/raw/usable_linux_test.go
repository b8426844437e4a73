//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

package raw

import (
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/testenv"
)

// noClone3 reports whether the kernel lacks clone3, or a filter is against it.
var noClone3 = sync.OnceValue(func() bool { return testenv.Lacks(unix.SYS_CLONE3) })

// noLegacyPidfd reports whether clone makes no pidfd.
var noLegacyPidfd = sync.OnceValue(func() bool {
	var p program
	p.exit(0)
	r := NewRun(p.Build())
	defer r.Free()
	_, err := finish(r, Clone{Flags: vfork | unix.CLONE_PIDFD, Legacy: true, ErrFD: -1})
	return err != nil
})

// noPidfdSignal reports whether nobody gets signals by a pidfd.
var noPidfdSignal = sync.OnceValue(func() bool { return testenv.Lacks(unix.SYS_PIDFD_SEND_SIGNAL) })

// usable is a way to make children, or the next best where the kernel has it not.
func usable(c Clone) Clone {
	if noClone3() && !c.Legacy {
		c.Legacy = true
		c.Flags &^= unix.CLONE_CLEAR_SIGHAND
	}
	if c.Legacy && c.Flags&unix.CLONE_PIDFD != 0 && (noLegacyPidfd() || noPidfdSignal()) {
		c.Flags &^= unix.CLONE_PIDFD
	}
	return c
}

// ways are clone3, where the kernel has it, and clone.
func ways() (legacy []bool) {
	if noClone3() {
		return []bool{true}
	}
	return []bool{false, true}
}

// waitPid is Waitid for a child, or Wait4 where that is refused.
func waitPid(pid, options int, x *Exit) syscall.Errno {
	errno := Waitid(unix.P_PID, pid, options, x)
	if refused(errno) && options&unix.WNOWAIT == 0 {
		errno = Wait4(pid, options&^unix.WEXITED, x)
	}
	return errno
}

// refused reports whether the kernel lacks a call, or a filter is against it.
func refused(errno syscall.Errno) bool { return errno == unix.ENOSYS || errno == unix.EPERM }

// needPidfdWait skips a test where nobody can be waited for by a pidfd.
func needPidfdWait(t *testing.T) {
	t.Helper()
	if refused(Waitid(unix.P_PIDFD, -1, unix.WEXITED|unix.WNOHANG, new(Exit))) {
		testenv.Skip(t, "no waitid for pidfds")
	}
	if noClone3() && noLegacyPidfd() {
		testenv.Skip(t, "no pidfds")
	}
}
