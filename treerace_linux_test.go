//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package spawn_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"sync"
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

// TestTreeRaces has processes of several pid namespaces make and end trees in one control
// group, at random. None knows whether the owners of the others' trees live: the locks alone
// say it. Some die with their trees, which the others remove.
func TestTreeRaces(t *testing.T) {
	spawntest.NeedNamespaces(t, unix.CLONE_NEWPID|unix.CLONE_NEWNS)
	dir, _ := testenv.NewCgroup(t)
	race := func(rounds int, dies, proc bool) error {
		own := attr.Namespaces{Flags: unix.CLONE_NEWPID}
		s := spawntest.Helper(t, "race trees", dir.Name(), strconv.Itoa(rounds), strconv.FormatBool(dies))
		s.Attr = attr.List{attr.Cgroup{Dir: dir}}
		if proc {
			own.Flags |= unix.CLONE_NEWNS
			s.Attr = append(s.Attr, attr.Mounts{{Source: "proc", Target: "/proc", FSType: "proc"}})
		}
		s.Attr = append(s.Attr, own)
		out, state, err := spawntest.TryOutput(s)
		if err == nil && (out != "" || !state.Success()) {
			err = fmt.Errorf("%v, %s", state, out)
		}
		return err
	}
	rounds := testenv.Rounds(20, 4000)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			if err := race(rounds, false, i%2 == 0); err != nil {
				t.Error(err)
			}
		})
	}
	all.Go(func() {
		for range rounds / 4 {
			if err := race(2, true, true); err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
	testenv.Eventually(t, "nothing is left", func() bool {
		err := race(1, false, true)
		left, gerr := filepath.Glob(filepath.Join(dir.Name(), "*", "cgroup.procs"))
		return errors.Join(err, gerr) == nil && len(left) == 0
	})
}

var _ = testenv.RegisterHelper("race trees", func(args []string) int {
	rounds, err := strconv.Atoi(args[1])
	r := treeRace{parent: args[0]}
	for range rounds {
		err = errors.Join(err, r.round())
		if err != nil {
			return testenv.Status(err)
		}
	}
	if args[2] == "true" {
		_, _, err := r.make() // which dies with this process, the init of its namespace
		return testenv.Status(err)
	}
	return testenv.Status(nil)
})

// treeRace is a process that makes trees in a control group.
type treeRace struct{ parent string }

// round makes a tree, looks at it, and ends it.
func (r treeRace) round() error {
	tree, child, err := r.make()
	if err != nil {
		return err
	}
	pause()
	if n := r.groups(); n != 1 {
		err = fmt.Errorf("%d groups of one tree", n)
	}
	if child != nil {
		select {
		case <-child.Done():
			err = errors.Join(err, errors.New("a child has ended before its tree"))
		default:
		}
	}
	err = errors.Join(err, tree.Close())
	if child != nil {
		state, werr := child.Wait(context.Background())
		if err = errors.Join(err, werr); werr == nil && state.Signal() != syscall.SIGKILL {
			err = errors.Join(err, fmt.Errorf("a child has ended by %v", state))
		}
	}
	if n := r.groups(); n != 0 {
		err = errors.Join(err, fmt.Errorf("%d groups after the end", n))
	}
	return err
}

// make makes a tree, which mostly has a child.
func (r treeRace) make() (tree *spawn.Tree, child *spawn.Process, err error) {
	if tree, err = spawn.NewTree(spawn.Limits{}); err != nil {
		return nil, nil, err
	}
	if by := tree.Holds().By; by != spawn.HeldByCgroup {
		return nil, nil, fmt.Errorf("held by %v", by)
	}
	pause()
	if rand.N(4) > 0 {
		child, err = spawn.Start(context.Background(), inTree(tree, "exec sleep 600"))
	}
	return tree, child, err
}

// groups counts the control groups of this process's trees.
func (r treeRace) groups() int {
	list, _ := filepath.Glob(filepath.Join(r.parent, cgroup.OwnPrefixForTest()+"*")) // the pattern is good
	return len(list)
}

// pause lets others run for a moment.
func pause() { time.Sleep(time.Duration(rand.N(2000)) * time.Microsecond) }
