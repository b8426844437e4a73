//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package faults_test

import (
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFound repeats what was found once.
func TestFound(t *testing.T) {
	for _, f := range []struct {
		scene string
		nr    int
		errno syscall.Errno
	}{
		{"anything: canceled", unix.SYS_READ, unix.ENOMEM},     // a child that had not come to execve was taken for a program
		{"anything: canceled", unix.SYS_KILL, unix.EINVAL},     // nobody killed the child
		{"anything: output", unix.SYS_WAITID, unix.EINVAL},     // nobody reaped the child
		{"nothing: listener", unix.SYS_PRCTL, unix.EMFILE},     // a probe has cleared this process's dumpable flag
		{"nothing: terminal", unix.SYS_EPOLL_CTL, unix.ENOMEM}, // the poller had not taken the terminal, which did not block
	} {
		faults := 0
		for try := 0; faults == 0 && try < 20; try++ { // on a busy machine a context may end before the call
			d := newDriver(t, f.scene, 1)
			d.only, d.errnos = &call{f.nr, true}, []syscall.Errno{f.errno}
			d.run()
			faults = d.counts.faults
		}
		if faults == 0 {
			t.Errorf("%s: no call has failed", f.scene)
		}
	}
}
