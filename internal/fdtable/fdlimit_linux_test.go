//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package fdtable_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestNumbersNearLimit names the highest number there can be, and one above a soft
// limit that was lowered, where the library needs numbers of its own.
func TestNumbersNearLimit(t *testing.T) { inHelper(t, "numbers near the limit") }

var _ = testenv.RegisterHelper("numbers near the limit", func(args []string) int {
	unix.CloseOnExec(reportFD)
	defer spawntest.Force(args[1])()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		complain("%v", err)
	}
	const limit, above = 200, 300
	if err := unix.Dup3(int(null.Fd()), above, unix.O_CLOEXEC); err != nil {
		complain("%v", err)
	}
	high := os.NewFile(above, "above the limit")
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: limit, Max: limit + 500}); err != nil {
		complain("%v", err)
	}
	want, err := fileOf(os.DevNull)
	if err != nil {
		complain("%v", err)
	}
	for name, list := range map[string]attr.List{"plain": nil, "copied memory": {attr.NoHugePages{}}, "maps": ownUserNamespace()} {
		for _, all := range []bool{false, true} {
			try := func(what string, number int, actions func(a *spawn.FileActions)) {
				s := &spawn.Spec{Path: filepath.Join(args[0], waiterName), Env: []string{}, Attr: list}
				if all {
					s.Actions.InheritAll()
				}
				actions(&s.Actions)
				err := withWaiter(s, func(pid int) error {
					got, err := fileOf(fmt.Sprintf("/proc/%d/fd/%d", pid, number))
					if got != want {
						complain("%s, %s, InheritAll %v: %d is %v", name, what, all, number, got)
					}
					return err
				})
				if name == "maps" && (errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC)) {
					return // user namespaces are refused here
				}
				if err != nil {
					complain("%s, %s, InheritAll %v: %v", name, what, all, err)
				}
			}
			try("highest", limit-1, func(a *spawn.FileActions) { a.File(null, limit-1) })
			try("above", 5, func(a *spawn.FileActions) { a.File(high, 5) })
			try("inherited from above", above, func(a *spawn.FileActions) { a.Inherit(above) })
			try("swapped", limit-1, func(a *spawn.FileActions) {
				a.Open(int(null.Fd()), "/", os.O_RDONLY, 0)
				a.File(null, limit-1)
				a.File(os.Stderr, 1)
				a.File(os.Stdout, 2)
			})
			try("the rest closed", 7, func(a *spawn.FileActions) {
				a.Open(int(null.Fd()), "/", os.O_RDONLY, 0)
				a.Close(limit - 1)
				a.CloseFrom(limit - 3)
				a.Dup2(0, limit-1)
				a.File(null, 7)
			})
		}
	}
	return 0
})

// ownUserNamespace maps this process's ids from outside.
func ownUserNamespace() attr.List {
	return attr.List{
		attr.Namespaces{Flags: unix.CLONE_NEWUSER},
		attr.IDMap{
			UID: []attr.IDMapEntry{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
			GID: []attr.IDMapEntry{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
		},
	}
}

// TestNumbersInFullTable leaves a few numbers, of which actions name some.
func TestNumbersInFullTable(t *testing.T) { inHelper(t, "few numbers left") }

var _ = testenv.RegisterHelper("few numbers left", func(args []string) int {
	unix.CloseOnExec(reportFD)
	defer spawntest.Force(args[1])()
	ctx := context.Background()
	// What is opened once is open from now on.
	s := &spawn.Spec{Path: filepath.Join(args[0], waiterName), Env: []string{}}
	if err := withWaiter(s, func(int) error { return nil }); err != nil {
		complain("%v", err)
	}
	const limit = 60
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
		complain("%v", err)
	}
	for {
		if _, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			break
		}
	}
	free := []int{20, 30, 31, 40, 41, 50}
	for _, n := range free {
		unix.Close(n)
	}
	for _, list := range []attr.List{nil, {attr.NoHugePages{}}} {
		for _, all := range []bool{false, true} {
			s := &spawn.Spec{Path: filepath.Join(args[0], waiterName), Env: []string{}, Attr: list}
			if all {
				s.Actions.InheritAll()
			}
			s.Actions.Dup2(1, 20)
			s.Actions.Dup2(1, 59)
			p, err := spawn.Start(ctx, s)
			if err != nil {
				complain("memory copied %v, InheritAll %v: %v", list != nil, all, err)
				continue
			}
			_ = p.Kill()
			if _, err := p.Wait(ctx); err != nil {
				complain("%v", err)
			}
		}
	}
	return 0
})
