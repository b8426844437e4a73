//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestRefusedWait has waitid fail in the thread that waits, for reasons that say
// nothing about the child, and wants it reaped all the same. The threads of the
// process that have no filter go on as before.
func TestRefusedWait(t *testing.T) {
	for _, errno := range []syscall.Errno{unix.EIO, unix.EINVAL, unix.ENOMEM, unix.EPERM, unix.EBADF} {
		t.Run(errno.Error(), func(t *testing.T) {
			spawntest.Succeeds(t, spawntest.Helper(t, "refused wait", spawntest.Exits(t, 7).Path, strconv.Itoa(int(errno))))
		})
	}
}

var _ = testenv.RegisterHelper("refused wait", func(args []string) int {
	n, _ := strconv.Atoi(args[1])
	errno := syscall.Errno(n)
	result := make(chan error)
	refused := func(f func() error, calls ...int) error {
		go func() {
			runtime.LockOSThread() // for good
			err := install(spawntest.Refuse(errno, calls...), false)
			if err == nil {
				err = f()
			}
			result <- err
		}()
		return <-result
	}
	before := testenv.Leftovers()
	for _, script := range []string{"exit 7", "sleep 0.02; exit 7"} {
		err := spawntest.EachEngineError(func(string) error {
			p, err := spawn.Start(context.Background(), spawntest.Shell(script))
			if err != nil {
				return err
			}
			return refused(func() error {
				state, err := p.Wait(context.Background())
				if err != nil || state.ExitCode() != 7 {
					return fmt.Errorf("%v, %w", state, err)
				}
				return nil
			}, unix.SYS_WAITID)
		})
		if err != nil {
			fmt.Println(err)
			return 1
		}
	}
	err := refused(func() error {
		_, err := spawn.Run(context.Background(), &spawn.Spec{Path: "/missing"})
		if !errors.Is(err, unix.ENOENT) {
			return err
		}
		return nil
	}, unix.SYS_WAITID)
	if problems := testenv.LeftoversSince(before); err == nil && len(problems) > 0 {
		err = fmt.Errorf("left: %q", problems)
	}
	return testenv.Status(err)
})
