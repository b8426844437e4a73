//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package pidns_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/pidns"
	"github.com/safespawn/spawn/internal/testenv"
)

var _ = testenv.RegisterHelper("hidden members", hiddenMembers)

// ofNobody is a command of another user.
func ofNobody(script string) *exec.Cmd {
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	return cmd
}

// hiddenMembers may not look at the processes of another user. It has two in a namespace, of
// which one has the init as its parent, and one outside.
func hiddenMembers([]string) int {
	n, err := pidns.New()
	if err != nil {
		return testenv.Status(err)
	}
	defer n.Close()
	member, orphan, outside := ofNobody("exec sleep 1000"), ofNobody("sleep 1000 & exit"), ofNobody("exec sleep 1000")
	if err := errors.Join(startInside(n, member), startInside(n, orphan), outside.Start()); err != nil {
		return testenv.Status(err)
	}
	defer func() {
		_, _ = member.Process.Kill(), outside.Process.Kill()
		_, _ = member.Wait(), outside.Wait() // killed
	}()
	_ = orphan.Wait() // it has exited
	count := func() int {
		list, err := n.Members()
		if err != nil {
			return -1
		}
		return len(list)
	}
	if !testenv.Soon(func() bool { return count() == 2 }) {
		return testenv.Status(fmt.Errorf("%d members", count()))
	}
	some, err := n.Signal(unix.SIGTERM)
	switch {
	case !some:
		err = errors.New("nobody is there")
	case err == nil && !testenv.Soon(func() bool { return count() == 0 }):
		err = fmt.Errorf("%d members after the signal", count())
	case errors.Is(err, fs.ErrPermission) && !(kernel.OurIDs() && translates()):
		err = nil // it could not know whom it signals
		if count() != 2 {
			err = fmt.Errorf("%d members after no signal", count())
		}
	}
	return testenv.Status(errors.Join(err, killAll(n)))
}

// translates reports whether the kernel tells the number of a process in a namespace: Linux 6.12.
func translates() bool {
	f, err := os.Open("/proc/self/ns/pid")
	if err != nil {
		return false
	}
	defer f.Close()
	return unix.IoctlSetInt(int(f.Fd()), unix.NS_GET_TGID_IN_PIDNS, os.Getpid()) == nil
}

// A member whose files in /proc are closed to this process is a member.
func TestHiddenMembers(t *testing.T) {
	testenv.NeedCall(t, "pidfd_send_signal", unix.SYS_PIDFD_SEND_SIGNAL)
	const capSetuid = 7
	needNamespaces(t)
	testenv.NeedCap(t, capSetuid)
	for name, flags := range map[string]uintptr{"own proc": 0, "foreign proc": unix.CLONE_NEWPID} {
		t.Run(name, func(t *testing.T) {
			cmd := &exec.Cmd{
				Path: testenv.Self(t), Args: testenv.HelperArgs("hidden members"), SysProcAttr: &syscall.SysProcAttr{Cloneflags: flags},
			}
			if out, err := withoutPtrace(cmd); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// withoutPtrace runs a command without CAP_SYS_PTRACE.
func withoutPtrace(cmd *exec.Cmd) (out []byte, err error) {
	testenv.OnThread(func() { // which is without, too
		if err = unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_SYS_PTRACE, 0, 0, 0); err == nil {
			out, err = cmd.CombinedOutput()
		}
	})
	return out, err
}

// After Close the inode of the namespace may be that of another, so there are no members.
func TestClosedHasNoMembers(t *testing.T) {
	n := newNamespace(t)
	n.Close()
	if list, err := n.Members(); len(list) != 0 || !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v, %v", list, err)
	}
	if some, err := n.Signal(unix.SIGTERM); some || !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v, %v", some, err)
	}
}
