//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package spawn_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestTreeOfForeignProc signals and kills trees that control groups hold, in a pid namespace
// that /proc is not of: the numbers there are those of others.
func TestTreeOfForeignProc(t *testing.T) {
	spawntest.NeedNamespaces(t, unix.CLONE_NEWPID)
	if !canHold(t) {
		testenv.Skip(t, "no control group can be made")
	}
	for name, refused := range map[string][]int{
		"all calls": nil, "no pidfd_open": {unix.SYS_PIDFD_OPEN}, "no pidfd_send_signal": {unix.SYS_PIDFD_SEND_SIGNAL},
		"neither": {unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_SEND_SIGNAL},
	} {
		s := spawntest.Helper(t, "signal a tree of a foreign proc")
		s.Attr = attr.List{attr.Namespaces{Flags: unix.CLONE_NEWPID}}
		if refused != nil {
			s.Attr = append(s.Attr, attr.NoNewPrivs{}, spawntest.Refuse(unix.ENOSYS, refused...))
		}
		if out := spawntest.Output(t, s); out != "" {
			t.Errorf("%s: %s", name, out)
		}
	}
}

var _ = testenv.RegisterHelper("signal a tree of a foreign proc", func([]string) int {
	tree, err := spawn.NewTree(spawn.Limits{})
	if err != nil {
		return testenv.Status(err)
	}
	kill := func() error {
		left, err := tree.Kill()
		if left != 0 {
			err = errors.Join(err, fmt.Errorf("%d are left", left))
		}
		return err
	}
	term := func() error { return tree.Signal(syscall.SIGTERM) }
	return testenv.Status(errors.Join(endTwo(tree, syscall.SIGKILL, kill), endTwo(tree, syscall.SIGTERM, term), tree.Close()))
})

// endTwo starts two programs in a tree and wants them to be ended by a signal.
func endTwo(tree *spawn.Tree, sig syscall.Signal, end func() error) error {
	ctx, cancel := context.WithTimeout(context.Background(), testenv.Patience)
	defer cancel()
	var list []*spawn.Process
	for range 2 {
		p, err := spawn.Start(ctx, inTree(tree, "exec sleep 600"))
		if err != nil {
			return err
		}
		list = append(list, p)
	}
	err := end()
	for _, p := range list {
		state, werr := p.Wait(ctx)
		if werr == nil && state.Signal() != sig {
			werr = fmt.Errorf("%v, want %v", state, sig)
		}
		err = errors.Join(err, werr)
	}
	return err
}

// TestTreeSignalHidden signals a tree of which /proc hides a member.
func TestTreeSignalHidden(t *testing.T) {
	testenv.NeedRoot(t)
	spawntest.NeedNamespaces(t, unix.CLONE_NEWPID|unix.CLONE_NEWNS)
	if !canHold(t) {
		testenv.Skip(t, "no control group can be made")
	}
	bounds := slices.Collect(func(yield func(attr.Capability) bool) {
		for c := attr.Capability(0); c <= unix.CAP_LAST_CAP; c++ {
			_ = c == unix.CAP_SYS_PTRACE || yield(c)
		}
	})
	for _, refused := range [][]int{nil, {unix.SYS_PIDFD_OPEN}, {unix.SYS_PIDFD_SEND_SIGNAL}} {
		s := spawntest.Helper(t, "signal a hidden member")
		s.Attr = attr.List{
			attr.Namespaces{Flags: unix.CLONE_NEWPID | unix.CLONE_NEWNS}, attr.Credential{GID: testenv.Nobody, Root: true},
			attr.Mounts{{Source: "proc", Target: "/proc", FSType: "proc", Data: "hidepid=2"}}, attr.Capabilities{Bounding: bounds},
		}
		if refused != nil {
			s.Attr = append(s.Attr, attr.NoNewPrivs{}, spawntest.Refuse(unix.ENOSYS, refused...))
		}
		if out := spawntest.Output(t, s); out != "" {
			t.Errorf("without %v: %s", refused, out)
		}
	}
}

var _ = testenv.RegisterHelper("signal a hidden member", func([]string) int {
	ctx, cancel := context.WithTimeout(context.Background(), testenv.Patience)
	defer cancel()
	tree, err := spawn.NewTree(spawn.Limits{})
	if err != nil {
		return testenv.Status(err)
	}
	p, err := spawn.Start(ctx, inTree(tree, "exec sleep 600", attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody}))
	if err != nil {
		return testenv.Status(err)
	}
	if _, err := os.Stat("/proc/" + strconv.Itoa(p.Pid())); !errors.Is(err, fs.ErrNotExist) {
		return testenv.Status(fmt.Errorf("it is not hidden: %v", err))
	}
	err = tree.Signal(syscall.SIGTERM)
	state, werr := p.Wait(ctx)
	if werr == nil && state.Signal() != syscall.SIGTERM {
		werr = errors.New(state.String())
	}
	return testenv.Status(errors.Join(err, werr, tree.Close()))
})
