//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package spawn_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/cgroup"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestTreeFewDescriptors signals and kills trees with room for a few descriptors only: where
// somebody got no signal, there is an error.
func TestTreeFewDescriptors(t *testing.T) {
	const foreign = "foreign proc"
	for _, held := range []spawn.HeldBy{spawn.HeldByCgroup, spawn.HeldByPIDNamespace} {
		for name, attrs := range map[string]attr.List{
			"own proc": nil, foreign: {attr.Namespaces{Flags: unix.CLONE_NEWPID}},
			"no pidfd_open": {attr.NoNewPrivs{}, spawntest.Refuse(unix.ENOSYS, unix.SYS_PIDFD_OPEN)},
		} {
			t.Run(fmt.Sprint(held, " ", name), func(t *testing.T) {
				if name == foreign {
					spawntest.NeedNamespaces(t, unix.CLONE_NEWPID)
				}
				s := spawntest.Helper(t, "tree with few descriptors", held.String())
				s.Attr = attrs
				if out := spawntest.Output(t, s); out != "" {
					testenv.Skip(t, out)
				}
			})
		}
	}
}

var _ = testenv.RegisterHelper("tree with few descriptors", func(args []string) int {
	force := cgroup.ForTest{Kill: "no.such.file"}
	if args[0] != spawn.HeldByCgroup.String() {
		force.Parent = func() (string, error) { return "", errors.ErrUnsupported }
	}
	force.Force()
	tree, err := spawn.NewTree(spawn.Limits{})
	if err != nil {
		return testenv.Status(err)
	}
	if by := tree.Holds().By; by.String() != args[0] {
		fmt.Printf("%v can't hold a tree here, but %v", args[0], by)
		return testenv.Status(tree.Close())
	}
	time.Sleep(time.Millisecond) // the runtime has no timers without descriptors of its own
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		var sent bool
		for room := 0; room < 12 && err == nil; room++ {
			sent, err = signalWithRoom(tree, sig, room)
		}
		if err == nil && !sent {
			err = fmt.Errorf("%v was not sent with the most room", sig)
		}
	}
	return testenv.Status(errors.Join(err, tree.Close()))
})

// signalWithRoom starts two programs in a tree, and signals it with room for a number of
// descriptors. Without an error both must have got the signal.
func signalWithRoom(tree *spawn.Tree, sig syscall.Signal, room int) (sent bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), testenv.Patience)
	defer cancel()
	var list []*spawn.Process
	for range 2 {
		p, err := spawn.Start(ctx, inTree(tree, "exec sleep 600"))
		if err != nil {
			return false, err
		}
		list = append(list, p)
	}
	restore, err := leaveDescriptors(room)
	if err != nil {
		return false, err
	}
	serr := tree.Signal(sig)
	restore()
	if serr != nil {
		_ = tree.Signal(os.Kill) // or the next kills them
	}
	for _, p := range list {
		state, werr := p.Wait(ctx)
		if serr == nil && werr != nil {
			_ = p.Kill() // not to leave it behind
			err = errors.Join(err, fmt.Errorf("with room for %d: %v was not sent, and no error: %w", room, sig, werr))
		} else if serr == nil && state.Signal() != sig {
			err = errors.Join(err, fmt.Errorf("with room for %d: %v", room, state))
		}
	}
	return serr == nil, err
}

// leaveDescriptors lets no more than a number of descriptors be opened until restore is called.
func leaveDescriptors(room int) (restore func(), err error) {
	var free []int
	defer func() {
		for _, fd := range free {
			unix.Close(fd)
		}
	}()
	for range room + 1 {
		fd, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, err
		}
		free = append(free, fd)
	}
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		return nil, err
	}
	err = unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(slices.Max(free)), Max: was.Max})
	return func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &was) }, err // it was allowed
}
