//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package pidns_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/pidns"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

var _ = testenv.RegisterHelper("limit of pid namespaces", limitOfNamespaces)

// limitOfNamespaces is root of a user namespace, which has a limit of its own.
func limitOfNamespaces([]string) int {
	limit := func(n string) error {
		return os.WriteFile("/proc/sys/user/max_pid_namespaces", []byte(n), 0)
	}
	if err := limit("0"); err != nil {
		fmt.Println("skip", err)
		return 0
	}
	if f, err := pidns.Process(); f != nil || !errors.Is(err, unix.ENOSPC) || !errors.Is(err, errors.ErrUnsupported) {
		return testenv.Status(fmt.Errorf("at the limit: %v, %w", f, err))
	}
	if err := limit("9"); err != nil {
		return testenv.Status(err)
	}
	defer pidns.EndForTest()
	_, err := pidns.Process()
	return testenv.Status(err)
}

// A limit is no verdict: there may be a namespace the next time.
func TestLimitOfNamespaces(t *testing.T) {
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUSER)
	cmd := &exec.Cmd{
		Path: testenv.Self(t), Args: testenv.HelperArgs("limit of pid namespaces"),
		SysProcAttr: &syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
		},
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if len(out) > 4 && string(out[:4]) == "skip" {
		testenv.Skip(t, string(out))
	}
}
