//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package fdtable_test

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/fdtable"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/testenv"
)

// endlessWorld has files of all names in all directories.
type endlessWorld struct{}

func (endlessWorld) kind(id fileID) byte { return id[strings.LastIndexByte(string(id), '/')+1] }

func (w endlessWorld) open(dir fileID, path string) (fileID, syscall.Errno) {
	if w.kind(dir) != 'd' {
		return "", unix.ENOTDIR
	}
	return dir + "/" + fileID(path), 0
}

var fdVariants = []fdVariant{
	{closeRange: true, sharedMemory: true}, {closeRange: true, sharedMemory: true, slots: true},
	{closeRange: true}, {sharedMemory: true}, {},
}

// makeFDCase makes up a parent and its file actions. The roomy ones leave space
// for what the planner has to save.
func makeFDCase(pick chooser) (c *fdCase, roomy bool) {
	c = &fdCase{parent: map[int]heldFD{}, cwd: "d-cwd", tty: -1, limit: 1024}
	roomy = !pick.chance(10)
	if !roomy {
		c.limit = 6 + pick(6)
	}
	g := &caseMaker{pick: pick, c: c, dirs: []string{"d1", "d2", "f1"}, names: []string{"f1", "d1", "t1"}, ttys: true, wild: true}
	for n := range 3 {
		if !pick.chance(15) {
			g.addOpen(n)
		}
	}
	for range pick(12) {
		g.addOpen(g.number())
	}
	g.files = slices.Sorted(maps.Keys(c.parent))
	g.make(1 + pick(12))
	if len(g.files) > 0 && pick.chance(15) {
		c.tty = oneOf(pick, g.files)
		if pick.chance(90) {
			c.parent[c.tty] = heldFD{fileID(fmt.Sprintf("t%d", c.tty)), true}
		}
	}
	if roomy {
		c.limit += spareFDs
	}
	return c, roomy
}

func (g *caseMaker) addOpen(n int) {
	kind := oneOf(g.pick, []string{"f", "f", "d", "d", "t"})
	g.c.parent[n] = heldFD{fileID(fmt.Sprintf("%s%d", kind, n)), g.pick.chance(60)}
}

// simulate compiles a case and runs it in a fake kernel, and says how it differs
// from the model.
func simulate(c *fdCase, want *outcome, roomy bool, v fdVariant) error {
	actions, files := c.planned()
	features := kernel.Features{CloseRange: v.closeRange, SharedMemory: v.sharedMemory}
	l, err := fdtable.LowerForTest(actions, files, opensAnew, c.tty, v.firstSlot(c), features)
	if got := errorIndex(err); got != want.invalid {
		return fmt.Errorf("Compile: %v; want an error for action %d", err, want.invalid)
	}
	if err != nil {
		if !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("Compile: %v; want EINVAL", err)
		}
		return nil
	}
	absent := -1
	for _, n := range l.Numbers {
		if _, ok := c.parent[n.FD]; !ok && absent < 0 {
			absent = n.Action
		}
	}
	if absent != want.absent {
		return fmt.Errorf("Start looks for a missing descriptor of action %d, want %d", absent, want.absent)
	}
	if absent >= 0 {
		return nil
	}
	k := &fakeKernel{world: endlessWorld{}}
	if !k.begin(c, l, v) {
		if roomy {
			return errors.New("no descriptor for the failure record")
		}
		return nil
	}
	failed, errno := k.run(l)
	all := slices.ContainsFunc(c.doings, func(d doing) bool { return d.kind == doInheritAll })
	if !roomy && errno != 0 && noRoom(c, errno, v, all) {
		return nil
	}
	return k.compare(want, failed, errno, all)
}

// noRoom reports whether a failure is for want of free numbers: files were
// saved where the limit ends, or a directory had to stay open for an openat.
func noRoom(c *fdCase, errno syscall.Errno, v fdVariant, all bool) bool {
	has := func(kind doingKind) bool {
		return slices.ContainsFunc(c.doings, func(d doing) bool { return d.kind == kind })
	}
	saves := has(doFile) || c.tty >= 0
	switch errno {
	case unix.EMFILE:
		return has(doOpenAt) || saves && all || !v.sharedMemory
	case unix.EBADF, unix.EINVAL:
		return saves && (all || len(c.doings)+len(c.parent) >= c.limit-3) || !v.sharedMemory
	}
	return false
}

func (k *fakeKernel) compare(want *outcome, failed int, errno syscall.Errno, all bool) error {
	if want.failed >= 0 && want.failed == failed && want.errno == errno {
		return nil
	}
	// The index of the terminal's step is that of the attribute.
	if want.failed >= 0 && errno == want.errno && errno == unix.ENOTTY {
		return nil
	}
	if errno != 0 || want.failed >= 0 {
		return fmt.Errorf("action %d failed: %v; want %d: %v", failed, errno, want.failed, want.errno)
	}
	table := k.exec(all)
	switch {
	case k.wrong != "":
		return errors.New(k.wrong)
	case !maps.Equal(table, want.table):
		return fmt.Errorf("the program has %v, want %v", table, want.table)
	case k.cwd != want.cwd:
		return fmt.Errorf("working directory %v, want %v", k.cwd, want.cwd)
	case !slices.Equal(k.ttys, want.ttys):
		return fmt.Errorf("terminals %v, want %v", k.ttys, want.ttys)
	}
	return nil
}

// errorIndex is the action that an error names, -1 for no error.
func errorIndex(err error) int {
	var e *spawn.Error
	var p *plan.Error
	switch {
	case err == nil:
		return -1
	case errors.As(err, &e):
		return e.Index
	case errors.As(err, &p):
		return p.Index
	}
	return -2
}

func checkFDCase(pick chooser) (c *fdCase, want *outcome, err error) {
	c, roomy := makeFDCase(pick)
	want = c.model(endlessWorld{})
	for _, v := range fdVariants {
		if err := simulate(c, want, roomy, v); err != nil {
			return c, want, fmt.Errorf("%+v: %w", v, err)
		}
	}
	return c, want, nil
}

// TestFDsAgainstModel runs lists of file actions by the thousand through the planner and
// a fake kernel, and compares what the program is left with.
func TestFDsAgainstModel(t *testing.T) {
	cases := uint64(testenv.Rounds(8_000, 1_000_000))
	if testenv.RaceEnabled() || testing.Short() {
		cases /= 5
	}
	var next, ran atomic.Uint64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for !t.Failed() {
				seed := next.Add(1)
				if seed > cases {
					return
				}
				c, want, err := checkFDCase(randomChooser(seed))
				if err != nil {
					t.Errorf("seed %d: %v\n%v", seed, err, c)
				}
				if want.table != nil && want.invalid < 0 && want.absent < 0 && want.failed < 0 {
					ran.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := ran.Load(); n < cases/4 {
		t.Errorf("only %d of %d cases got as far as running a program", n, cases)
	}
}

func FuzzFDs(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x50\x50\x50\x50\x03\x01\x02\x03\x04\x05\x06\x07\x20\x21\x22\x23\x24\x25\x26\x27"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, _, err := checkFDCase(bytesChooser(data)); err != nil {
			t.Fatalf("%v\n%v", err, c)
		}
	})
}
