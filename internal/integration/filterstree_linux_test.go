//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/cgroup"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestFilteredTree has the members of a control group get signals, and be killed one by
// one, under filters against the calls that need a pidfd.
func TestFilteredTree(t *testing.T) {
	for _, text := range []string{
		"ENOSYS pidfd_open", "EPERM pidfd_open", "ENOSYS pidfd_send_signal", "EPERM pidfd_send_signal",
		"ENOSYS pidfd_open pidfd_send_signal", "EPERM pidfd_open pidfd_send_signal",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			s := spawntest.Helper(t, "filtered tree")
			s.Attr = attr.List{attr.NoNewPrivs{}, ownFilter(text)}
			if strings.HasPrefix(spawntest.Output(t, s), noGroup) {
				testenv.Skip(t, "no control group for trees")
			}
		})
	}
}

const noGroup = "no group"

var _ = testenv.RegisterHelper("filtered tree", func([]string) int {
	defer cgroup.ForTest{Kill: "no.such.file"}.Force()()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if err := signalTree(sig); err != nil {
			return testenv.Status(err)
		}
	}
	return 0
})

// signalTree has a tree of two be ended by a signal.
func signalTree(sig syscall.Signal) (err error) {
	tree, err := spawn.NewTree(spawn.Limits{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tree.Close()) }()
	if tree.Holds().By != spawn.HeldByCgroup {
		fmt.Print(noGroup)
		return nil
	}
	ctx := context.Background()
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	script := spawntest.Shell("sleep 60 & echo; exec >&-; wait", tree.Attr())
	p, err := spawn.Start(ctx, spawntest.WithActions(script, func(a *spawn.FileActions) { a.File(w, 1) }))
	w.Close()
	if err != nil {
		return err
	}
	if _, err := r.Read(make([]byte, 1)); err != nil {
		return err
	}
	if err := tree.Signal(sig); err != nil {
		return err
	}
	if state, err := p.Wait(ctx); err != nil || state.Signal() != sig {
		return fmt.Errorf("%v, %w", state, err)
	}
	return tree.Wait(ctx)
}
