//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/pidns"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

var _ = testenv.RegisterHelper("children elsewhere", func([]string) int { return testenv.Status(startElsewhere()) })

// startElsewhere has the children of a thread be in a new pid namespace, of which the first is
// the init. Nothing that is only tried may be that.
func startElsewhere() error {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWPID); err != nil {
		return err
	}
	_ = spawn.Features()  // tries all there is
	n, err := pidns.New() // which makes a thread
	if err != nil {
		return err
	}
	n.Close()
	state, err := spawn.Run(context.Background(), spawntest.Shell("exit $$"))
	if err != nil || state.ExitCode() != 1 {
		err = errors.Join(err, fmt.Errorf("the first child is %v, not process 1", state))
	}
	return err
}

// TestNothingIsTriedElsewhere wants the first child of a new pid namespace to be the one that
// is asked for.
func TestNothingIsTriedElsewhere(t *testing.T) {
	testenv.NeedCap(t, unix.CAP_SYS_ADMIN)
	spawntest.NeedNamespaces(t, unix.CLONE_NEWPID)
	testenv.NeedCall(t, "execveat", unix.SYS_EXECVEAT)
	spawntest.Succeeds(t, spawntest.Helper(t, "children elsewhere"))
}
