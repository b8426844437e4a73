package spawn_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/cgroup"
	"github.com/safespawn/spawn/internal/pidns"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
	spawntree "github.com/safespawn/spawn/internal/tree"
)

// groupsOnly makes trees be held by process groups alone.
func groupsOnly(t *testing.T) {
	t.Helper()
	noCgroup(t)
	t.Cleanup(spawntree.NoSpaceForTest())
}

// noCgroup makes trees be held by pid namespaces, or by process groups where none can be
// made.
func noCgroup(t *testing.T) {
	t.Helper()
	t.Cleanup(cgroup.ForTest{Parent: func() (string, error) { return "", errors.ErrUnsupported }}.Force())
}

// newTree makes a tree that the test's end closes.
func newTree(t *testing.T, l spawn.Limits) *spawn.Tree {
	t.Helper()
	tree, err := spawn.NewTree(l)
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, tree)
	return tree
}

func closeAtEnd(t *testing.T, tree *spawn.Tree) {
	t.Cleanup(func() {
		if err := tree.Close(); err != nil {
			t.Error(err)
		}
	})
}

// canHold reports whether a control group can hold a tree now.
func canHold(t *testing.T) bool {
	t.Helper()
	tree, err := spawn.NewTree(spawn.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	return tree.Holds().By == spawn.HeldByCgroup
}

// eachTree runs a test with trees that a control group holds, as it is killed by
// cgroup.kill and without that, and with trees that process groups hold.
func eachTree(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	if canHold(t) {
		t.Run("cgroup", f)
		t.Run("frozen", func(t *testing.T) {
			t.Cleanup(cgroup.ForTest{Kill: "no.such.file"}.Force())
			f(t)
		})
	}
	t.Run("pid namespace", func(t *testing.T) {
		testenv.NeedCall(t, "pidfd_send_signal", unix.SYS_PIDFD_SEND_SIGNAL)
		noCgroup(t)
		if newTree(t, spawn.Limits{}).Holds().By != spawn.HeldByPIDNamespace {
			testenv.Skip(t, "no pid namespace can be made")
		}
		f(t)
	})
	t.Run("groups", func(t *testing.T) {
		groupsOnly(t)
		f(t)
	})
	t.Run(numbers, func(t *testing.T) {
		groupsOnly(t)
		t.Cleanup(spawntree.NoPidfdForTest())
		f(t)
	})
}

// numbers is the way of eachTree where groups are known by their numbers alone, as before
// Linux 6.9.
const numbers = "numbers"

// losesReaped reports whether a tree does not know the group of a child that was reaped.
func losesReaped(t *testing.T, tree *spawn.Tree) bool {
	return !tree.Holds().Certain() && (path.Base(t.Name()) == numbers || !testenv.PidfdGroups())
}

// noneLeft wants Kill to have left nobody, as far as that can be known once a child was
// reaped.
func noneLeft(t *testing.T, tree *spawn.Tree, left int, err error) {
	t.Helper()
	if err != nil || left > 0 || left < 0 && !losesReaped(t, tree) {
		t.Errorf("%d are left, %v", left, err)
	}
}

// marked is a sleep that can be found among all processes.
func marked() (command string) {
	return fmt.Sprintf("sleep 600.%d", 1+rand.Uint64N(1<<60))
}

// countMarked counts the processes that run a command, but for zombies: these have none.
func countMarked(command string) int { return len(findMarked(command)) }

func findMarked(command string) (pids []int) {
	list, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range list {
		if text, _ := os.ReadFile(name); strings.TrimSuffix(strings.ReplaceAll(string(text), "\x00", " "), " ") == command {
			pid, _ := strconv.Atoi(path.Base(path.Dir(name)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// inTree is a script that runs in a tree.
func inTree(tree *spawn.Tree, text string, more ...attr.Attr) *spawn.Spec {
	return &spawn.Spec{Path: "/bin/sh", Args: []string{"sh", "-c", text}, Attr: append(attr.List{tree.Attr()}, more...)}
}

// startIn starts a script in a tree.
func startIn(t *testing.T, tree *spawn.Tree, text string, more ...attr.Attr) *spawn.Process {
	t.Helper()
	p, err := spawn.Start(t.Context(), inTree(tree, text, more...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = tree.Kill() // so that it ends
		if _, err := p.Wait(context.Background()); err != nil && !errors.Is(err, spawn.ErrStatusTaken) {
			t.Error(err)
		}
	})
	return p
}

// twiceSetsid is a script that leaves a daemon behind, which has forked and called setsid
// twice, and a child in its own group.
func twiceSetsid(mark string) string {
	return "(" + mark + " &) ; setsid sh -c 'setsid sh -c \"" + mark + "\" & exit' & wait; exit 3"
}

// TestTreeA4 is about a daemon, which has left its process group, its session and its
// parent: nothing is left of it, counted from outside.
func TestTreeA4(t *testing.T) {
	for _, way := range []string{"cgroup.kill", "frozen", "pid namespace"} {
		t.Run(way, func(t *testing.T) {
			by := spawn.HeldByCgroup
			switch way {
			case "frozen":
				t.Cleanup(cgroup.ForTest{Kill: "no.such.file"}.Force())
			case "pid namespace":
				noCgroup(t)
				by = spawn.HeldByPIDNamespace
			}
			tree, err := spawn.NewTree(spawn.Limits{Strict: true})
			if err != nil {
				testenv.Skip(t, "nothing can hold a tree")
			}
			if got := tree.Holds().By; got != by {
				tree.Close()
				testenv.Skip(t, "no tree is held by a "+by.String()+" here, but by a "+got.String())
			}
			testA4(t, tree)
			if err := tree.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func testA4(t *testing.T, tree *spawn.Tree) {
	mark := marked()
	p := startIn(t, tree, twiceSetsid(mark))
	testenv.Eventually(t, "the daemons run", func() bool { return countMarked(mark) == 2 })
	if state := waitFor(t, p); state.ExitCode() != 3 {
		t.Errorf("got %v", state)
	}
	if left, err := tree.Kill(); left != 0 || err != nil {
		t.Errorf("%d are left, %v", left, err)
	}
	if n := countMarked(mark); n != 0 {
		t.Errorf("%d are alive", n)
	}
	if _, err := tree.Kill(); err != nil {
		t.Error(err)
	}
	if err := tree.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("got %v", err)
	}
}

// TestTreeStrict wants an error where a daemon could escape, and the weaker tree to say
// so.
func TestTreeStrict(t *testing.T) {
	groupsOnly(t)
	if _, err := spawn.NewTree(spawn.Limits{Strict: true}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
	tree := newTree(t, spawn.Limits{})
	h := tree.Holds()
	if h.By != spawn.HeldByGroups || h.Certain() || h.Escapes == "" || !errors.Is(h.Why, errors.ErrUnsupported) || h.String() == "" {
		t.Errorf("got %+v", h)
	}
	if _, err := tree.Usage(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
}

// TestTreeKill kills families whose leaders wait, or have ended.
func TestTreeKill(t *testing.T) {
	eachTree(t, func(t *testing.T) {
		for _, end := range []string{"wait", "exit 5"} {
			mark := marked()
			tree := newTree(t, spawn.Limits{})
			for range 3 {
				startIn(t, tree, mark+" & "+mark+" & "+end)
			}
			testenv.Eventually(t, "they run", func() bool { return countMarked(mark) == 6 })
			if left, err := tree.Kill(); left != 0 || err != nil || countMarked(mark) != 0 {
				t.Errorf("%s: %d are left, %v", end, left, err)
			}
		}
	})
}

// TestTreeReaped kills what children have left that were reaped long ago, whose Process is
// garbage.
func TestTreeReaped(t *testing.T) {
	eachTree(t, func(t *testing.T) {
		mark := marked()
		tree := newTree(t, spawn.Limits{})
		if losesReaped(t, tree) {
			testenv.Skip(t, "pidfds don't signal groups before Linux 6.9")
		}
		for range 3 {
			if _, err := spawn.Run(t.Context(), inTree(tree, mark+" >/dev/null 2>&1 &")); err != nil {
				t.Fatal(err)
			}
		}
		runtime.GC()
		testenv.Eventually(t, "they run", func() bool { return countMarked(mark) == 3 })
		if left, err := tree.Kill(); left != 0 || err != nil || countMarked(mark) != 0 {
			t.Errorf("%d are left, %v", left, err)
		}
	})
}

// TestTreeSignal sends to all, once each.
func TestTreeSignal(t *testing.T) {
	eachTree(t, func(t *testing.T) {
		tree := newTree(t, spawn.Limits{})
		const inner = `trap "exit 8" USR1; echo ready; exec >&-; while :; do sleep 0.02; done`
		p := script(t, `trap : USR1; sh -c '`+inner+`' & wait; wait $!; exit $?`, tree.Attr())
		if err := tree.Signal(syscall.SIGUSR1); err != nil {
			t.Error(err)
		}
		if state := waitFor(t, p); state.ExitCode() != 8 {
			t.Errorf("got %v", state)
		}
		if err := tree.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		if err := tree.Signal(syscall.SIGUSR1); !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("got %v", err)
		}
		if err := tree.Signal(notASignal{}); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("got %v", err)
		}
	})
}

// TestTreeStop steps from a signal that is ignored to one that is not.
func TestTreeStop(t *testing.T) {
	eachTree(t, func(t *testing.T) {
		mark := marked()
		tree := newTree(t, spawn.Limits{})
		startIn(t, tree, "trap '' TERM; "+mark+" & "+mark+" & wait")
		testenv.Eventually(t, "they run", func() bool { return countMarked(mark) == 2 })
		r, err := tree.Stop(t.Context(), spawn.Graceful(soon)...)
		if err != nil || r.Step != 1 || r.Left != 0 || countMarked(mark) != 0 {
			t.Errorf("got %+v, %v", r, err)
		}
		if r, err := tree.Stop(t.Context(), spawn.Graceful(soon)...); err != nil || r.Step != -1 {
			t.Errorf("of nobody: %+v, %v", r, err)
		}
	})
}

// TestTreeWait waits for those whose parent has ended.
func TestTreeWait(t *testing.T) {
	eachTree(t, func(t *testing.T) {
		tree := newTree(t, spawn.Limits{})
		if err := tree.Wait(t.Context()); err != nil {
			t.Errorf("a tree without children: %v", err)
		}
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		s := spawntest.WithActions(inTree(tree, "cat & exit"), func(a *spawn.FileActions) { a.File(r, 0) })
		s.Args[2] = "(read x <&3) & exit"
		s = spawntest.WithActions(s, func(a *spawn.FileActions) { a.File(r, 3) })
		p := spawntest.Start(t, s)
		r.Close()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := tree.Wait(ctx); err != context.Canceled {
			t.Errorf("got %v", err)
		}
		if _, err := p.Wait(t.Context()); err != nil && tree.Holds().Certain() {
			t.Error(err)
		}
		done := make(chan error, 1)
		go func() { done <- tree.Wait(context.Background()) }()
		select {
		case err := <-done:
			if !losesReaped(t, tree) {
				t.Errorf("it has not waited: %v", err)
			}
			return
		case <-time.After(soon):
		}
		w.Close()
		if err := testenv.Await(t, "the end", done); err != nil {
			t.Error(err)
		}
	})
}

// TestTreeAtOnce starts Specs, Programs and Cmds in one tree from many goroutines, and
// kills it again and again meanwhile: nothing escapes.
func TestTreeAtOnce(t *testing.T) {
	eachTree(t, func(t *testing.T) {
		mark := marked()
		tree := newTree(t, spawn.Limits{})
		program, err := spawn.Compile(inTree(tree, mark+" & "+mark))
		if err != nil {
			t.Fatal(err)
		}
		var over atomic.Bool
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				for range testenv.Rounds(3, 500) {
					if err := startOne(i, program, inTree(tree, mark+" & "+mark)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		killed := make(chan struct{})
		go func() {
			defer close(killed)
			for !over.Load() {
				if _, err := tree.Kill(); err != nil && !errors.Is(err, syscall.EBUSY) { // others are made meanwhile
					t.Error(err)
				}
			}
		}()
		wg.Wait()
		over.Store(true)
		<-killed
		left, err := tree.Kill()
		noneLeft(t, tree, left, err)
		alive := findMarked(mark)
		if len(alive) > 0 && !losesReaped(t, tree) {
			t.Errorf("%d are alive", len(alive))
		}
		for _, pid := range alive {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
}

// startOne starts a child in one of three ways, and waits for it.
func startOne(way int, program *spawn.Program, s *spawn.Spec) error {
	var err error
	switch way % 3 {
	case 0:
		_, err = program.Run(context.Background())
	case 1:
		_, err = spawn.Run(context.Background(), s)
	default:
		null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer null.Close()
		c := exec.Command(s.Path, s.Args[1:]...)
		c.Attr, c.Stdin, c.Stdout, c.Stderr = s.Attr, null, null, null
		var exit *exec.ExitError
		if err := c.Run(); !errors.As(err, &exit) {
			return err
		}
	}
	return err
}

// TestTreeContradicts wants lists to be refused that say two things about a tree.
func TestTreeContradicts(t *testing.T) {
	eachTree(t, func(t *testing.T) {
		tree, other := newTree(t, spawn.Limits{}), newTree(t, spawn.Limits{})
		dir, err := os.Open("/")
		if err != nil {
			t.Fatal(err)
		}
		defer dir.Close()
		for name, list := range map[string]attr.List{
			"two trees":         {tree.Attr(), other.Attr()},
			"tree and cgroup":   {tree.Attr(), attr.Cgroup{Dir: dir}},
			"cgroup and a tree": {attr.Cgroup{Dir: dir}, tree.Attr()},
		} {
			if _, err := spawn.Compile(&spawn.Spec{Path: "/bin/true", Attr: list}); !errors.Is(err, syscall.EINVAL) {
				t.Errorf("%s: got %v", name, err)
			}
		}
		_, err = spawn.Compile(&spawn.Spec{Path: "/bin/true", Attr: attr.List{tree.Attr(), attr.Setpgid{Pgid: os.Getpid()}}})
		if (tree.Holds().By == spawn.HeldByCgroup) != (err == nil) {
			t.Errorf("another group: %v", err)
		}
		for _, a := range []attr.Attr{attr.Setpgid{}, attr.Setsid{}} {
			if state, err := spawn.Run(t.Context(), inTree(tree, "exit 4", a)); err != nil || state.ExitCode() != 4 {
				t.Errorf("%T: %v, %v", a, state, err)
			}
		}
	})
}

// TestTreeKilledBefore starts children in a tree that was killed, with others and without.
func TestTreeKilledBefore(t *testing.T) {
	eachTree(t, func(t *testing.T) {
		tree := newTree(t, spawn.Limits{})
		for range 3 {
			if state, err := spawn.Run(t.Context(), inTree(tree, "exit 4")); err != nil || state.ExitCode() != 4 {
				t.Errorf("%v, %v", state, err)
			}
			startIn(t, tree, "sleep 600")
			left, err := tree.Kill()
			noneLeft(t, tree, left, err)
		}
	})
}

// TestTreeDiesWithParent wants the tree to have its child, whatever else holds the child.
func TestTreeDiesWithParent(t *testing.T) {
	if !spawn.Features().Has(spawn.FeatureEngine) {
		testenv.Skip(t, "needs the engine")
	}
	t.Cleanup(pidns.EndForTest)
	eachTree(t, func(t *testing.T) {
		tree := newTree(t, spawn.Limits{})
		dies := attr.DieWithParent{}
		for _, list := range []attr.List{{tree.Attr(), dies}, {dies, tree.Attr()}} {
			p, err := spawn.Start(t.Context(), &spawn.Spec{Path: "/bin/sleep", Args: []string{"sleep", "600"}, Attr: list})
			if err != nil {
				t.Fatal(err)
			}
			left, err := tree.Kill()
			noneLeft(t, tree, left, err)
			if state, err := p.Wait(t.Context()); err != nil || state.Signal() != syscall.SIGKILL {
				t.Errorf("%v, %v", state, err)
			}
		}
	})
}
