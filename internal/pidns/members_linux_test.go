//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package pidns_test

import (
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/pidns"
	"github.com/safespawn/spawn/internal/testenv"
)

var _ = testenv.RegisterHelper("namespace with a foreign proc", foreignProc)

// foreignProc sees the numbers in /proc of another pid namespace than its own. It has a
// child in a namespace, which is to get a signal.
func foreignProc([]string) int {
	if kernel.OurIDs() {
		return testenv.Status(errors.New("/proc is our own"))
	}
	n, err := pidns.New()
	if err != nil {
		return testenv.Status(err)
	}
	defer n.Close()
	member := exec.Command("/bin/sleep", "1000")
	if err := startInside(n, member); err != nil {
		return testenv.Status(err)
	}
	if some, err := n.Signal(unix.SIGTERM); !some || err != nil {
		return testenv.Status(fmt.Errorf("some: %v, %w", some, err))
	}
	testenv.Soon(func() bool { list, err := n.Members(); return err == nil && len(list) == 0 })
	_ = member.Process.Kill() // or it has ended
	_ = member.Wait()         // the status tells
	if s := member.ProcessState.Sys().(syscall.WaitStatus); s.Signal() != syscall.SIGTERM {
		return testenv.Status(fmt.Errorf("it has ended with %#x", s))
	}
	return testenv.Status(killAll(n))
}

// A member gets its signal where /proc has other numbers than this process.
func TestSignalWithForeignProc(t *testing.T) {
	testenv.NeedCall(t, "pidfd_send_signal", unix.SYS_PIDFD_SEND_SIGNAL)
	needNamespaces(t)
	cmd := &exec.Cmd{
		Path: testenv.Self(t), Args: testenv.HelperArgs("namespace with a foreign proc"),
		SysProcAttr: &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID},
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
