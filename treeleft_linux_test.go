package spawn_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/cgroup"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
	spawntree "github.com/safespawn/spawn/internal/tree"
)

// TestTreeDropped has a tree become garbage whose children have ended: nothing is left of
// it, as TestMain finds.
func TestTreeDropped(t *testing.T) {
	eachTree(t, func(t *testing.T) {
		before := treeDirs(t)
		func() {
			tree, err := spawn.NewTree(spawn.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := spawn.Run(t.Context(), inTree(tree, "exit 0")); err != nil {
				t.Fatal(err)
			}
		}()
		testenv.Eventually(t, "the directory is removed", func() bool {
			runtime.GC()
			return treeDirs(t) <= before
		})
	})
}

// TestTreeOfGarbage kills a child whose Process is garbage, also before Linux 6.9, and sees
// it reaped.
func TestTreeOfGarbage(t *testing.T) {
	defer spawntree.NoPidfdForTest()()
	eachTree(t, func(t *testing.T) {
		tree, mark := newTree(t, spawn.Limits{}), marked()
		pid := func() int {
			p, err := spawn.Start(t.Context(), inTree(tree, "exec "+mark))
			if err != nil {
				t.Fatal(err)
			}
			return p.Pid()
		}()
		for range 3 {
			runtime.GC()
		}
		testenv.Eventually(t, "it is killed and reaped", func() bool {
			_, _ = tree.Kill() // nothing, while the collector has it
			return syscall.Kill(pid, 0) == syscall.ESRCH
		})
	})
}

// TestTreeOutlived has a tree become garbage that has a child. Nothing is left of it once
// the child has ended.
func TestTreeOutlived(t *testing.T) {
	eachTree(t, func(t *testing.T) {
		before := treeDirs(t)
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		func() {
			defer r.Close()
			tree, err := spawn.NewTree(spawn.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			s := spawntest.WithActions(inTree(tree, "read x <&3 & exit"), func(a *spawn.FileActions) { a.File(r, 3) })
			if _, err := spawn.Run(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}()
		for range 2 { // else it may be garbage only when the child has ended, too
			runtime.GC()
			time.Sleep(soon)
		}
		w.Close()
		testenv.Eventually(t, "the directory is removed", func() bool {
			runtime.GC()
			return treeDirs(t) <= before
		})
	})
}

// TestTreeUnseen wants nobody to be told that a tree is empty in which nobody can look.
func TestTreeUnseen(t *testing.T) {
	for _, held := range []string{"as can be", "pid namespace", "groups"} {
		spawntest.Output(t, spawntest.Helper(t, "tree unseen", held))
	}
}

var _ = testenv.RegisterHelper("tree unseen", func(args []string) int {
	if args[0] != "as can be" {
		cgroup.ForTest{Parent: func() (string, error) { return "", errors.ErrUnsupported }}.Force()
	}
	if args[0] == "groups" {
		spawntree.NoSpaceForTest()
	}
	tree, err := spawn.NewTree(spawn.Limits{})
	if err != nil {
		return testenv.Status(err)
	}
	p, err := spawn.Start(context.Background(), inTree(tree, "exec sleep 600"))
	if err != nil {
		return testenv.Status(err)
	}
	time.Sleep(time.Millisecond) // the runtime has no timers without descriptors of its own
	restore, err := noDescriptors()
	if err != nil {
		return testenv.Status(err)
	}
	r, err := tree.Stop(context.Background(), spawn.StopStep{Signal: syscall.Signal(0), Grace: time.Millisecond})
	restore()
	var wrong error
	if !errors.Is(err, spawn.ErrStillAlive) || r.Left == 0 {
		wrong = fmt.Errorf("held by %v: %d left, %w", tree.Holds().By, r.Left, err)
	}
	cerr := tree.Close()
	_, werr := p.Wait(context.Background())
	return testenv.Status(errors.Join(wrong, cerr, werr))
})

// noDescriptors lets no descriptor be opened until restore is called.
func noDescriptors() (restore func(), err error) {
	lowest, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	unix.Close(lowest)
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		return nil, err
	}
	err = unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(lowest), Max: was.Max})
	return func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &was) }, err // it was allowed
}

// treeDirs counts the control groups of this process's trees.
func treeDirs(t *testing.T) int {
	t.Helper()
	own, err := cgroup.Own()
	if err != nil {
		return 0
	}
	list, err := filepath.Glob(filepath.Join(own, cgroup.OwnPrefixForTest()+"*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// TestTreeMany makes many trees, which leave no directory, descriptor or thread.
func TestTreeMany(t *testing.T) {
	eachTree(t, func(t *testing.T) {
		before, threads := testenv.Settled(), 0
		n := testenv.Rounds(10, 10000)
		if canHold(t) {
			n = testenv.Rounds(100, 10000)
		}
		for i := range n {
			tree, err := spawn.NewTree(spawn.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			script := "setsid sleep 60 & sleep 60"
			if !tree.Holds().Certain() {
				script = "sleep 60 & sleep 60" // what has called setsid would be left
			}
			p, err := spawn.Start(t.Context(), inTree(tree, script))
			if err != nil {
				t.Fatal(err)
			}
			if err := tree.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := p.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			if i == n/10 {
				threads = testenv.CountThreads(t)
			}
		}
		if now := testenv.CountThreads(t); now > threads+5 {
			t.Errorf("%d threads, %d after a tenth", now, threads)
		}
		testenv.Eventually(t, "no descriptor is left", func() bool { return len(testenv.FDsSince(before)) == 0 })
		if n := treeDirs(t); n != 0 {
			t.Errorf("%d directories", n)
		}
	})
}

// TestTreeBadLimits wants values that make no sense to be refused, and those that can't
// be set to be explained.
func TestTreeBadLimits(t *testing.T) {
	nan := 0.0
	for _, l := range []spawn.Limits{{Memory: -1}, {Procs: -1}, {CPU: -1}, {CPU: nan / nan}, {CPU: 1e30}, {IOWeight: -1}, {IOWeight: 10001}} {
		if _, err := spawn.NewTree(l); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%+v: got %v", l, err)
		}
	}
	groupsOnly(t)
	for file, l := range map[string]spawn.Limits{
		"memory.max": {Memory: 1 << 30}, "memory.swap.max": {Swap: -1}, "pids.max": {Procs: 10}, "cpu.max": {CPU: 0.5},
		"io.weight": {IOWeight: 50}, "memory.oom.group": {OOMGroup: true},
	} {
		_, err := spawn.NewTree(l)
		var e *spawn.TreeLimitError
		if !errors.As(err, &e) || e.File != file || !strings.HasPrefix(file, e.Controller+".") || !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: got %v", file, err)
		}
	}
}

// TestTreeOfTheDead has a process die that has a tree. The next one that makes a tree
// there ends it.
func TestTreeOfTheDead(t *testing.T) {
	if !canHold(t) {
		testenv.Skip(t, "no control group can be made")
	}
	mark := marked()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s := spawntest.WithActions(spawntest.Helper(t, holdTree, mark), func(a *spawn.FileActions) { a.File(w, 1) })
	p := spawntest.Start(t, s)
	w.Close()
	path, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	path = strings.TrimSuffix(path, "\n")
	testenv.Eventually(t, "it runs", func() bool { return countMarked(mark) == 1 })
	newTree(t, spawn.Limits{})
	if n := countMarked(mark); n != 1 {
		t.Errorf("%d are alive of a living owner's", n)
	}
	_ = p.Kill() // Wait says it
	waitFor(t, p)
	// Somebody else who makes a tree here may be the next, such as another package's test.
	testenv.Eventually(t, "the tree is ended", func() bool {
		newTree(t, spawn.Limits{})
		_, err := os.Stat(path)
		return countMarked(mark) == 0 && errors.Is(err, fs.ErrNotExist)
	})
}

var holdTree = testenv.RegisterHelper("hold a tree", func(args []string) int {
	tree, err := spawn.NewTree(spawn.Limits{})
	if err != nil {
		return testenv.Status(err)
	}
	if _, err := spawn.Start(context.Background(), inTree(tree, "setsid "+args[0]+" & wait")); err != nil {
		return testenv.Status(err)
	}
	own, err := cgroup.Own()
	if err != nil {
		return testenv.Status(err)
	}
	list, err := filepath.Glob(filepath.Join(own, cgroup.OwnPrefixForTest()+"*"))
	if err != nil || len(list) != 1 {
		return testenv.Status(fmt.Errorf("%q, %w", list, err))
	}
	fmt.Println(list[0])
	time.Sleep(time.Hour)
	return 0
})
