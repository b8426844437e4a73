//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package fdtable_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// diskWorld is directories whose entries lead from one to another: names are
// d0, d1 for directories, f0, f1 for files, and the same in each.
type diskWorld struct {
	ids map[fileID]fileID // names by device and inode
}

const diskDirs = 4

func (*diskWorld) kind(id fileID) byte { return endlessWorld{}.kind(id) }

func (w *diskWorld) open(dir fileID, path string) (fileID, syscall.Errno) {
	switch {
	case w.kind(dir) != 'd':
		return "", unix.ENOTDIR
	case path == "missing":
		return "", unix.ENOENT
	case path[0] == 'd':
		return fileID(path), 0
	}
	return dir + "/" + fileID(path), 0
}

// newDiskWorld makes the files, or finds those that another process has made.
func newDiskWorld(dir string) (*diskWorld, error) {
	w := &diskWorld{ids: map[fileID]fileID{}}
	for d := range diskDirs {
		name := fmt.Sprintf("d%d", d)
		at := filepath.Join(dir, name)
		_ = os.Mkdir(at, 0o755)
		if err := w.add(at, fileID(name)); err != nil {
			return nil, err
		}
		for other := range diskDirs {
			_ = os.Symlink(fmt.Sprintf("../d%d", other), fmt.Sprintf("%s/d%d", at, other))
		}
		for _, f := range []string{"f0", "f1"} {
			if file, err := os.OpenFile(at+"/"+f, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644); err == nil {
				file.Close()
			}
			if err := w.add(at+"/"+f, fileID(name+"/"+f)); err != nil {
				return nil, err
			}
		}
	}
	return w, nil
}

func (w *diskWorld) add(path string, name fileID) error {
	id, err := fileOf(path)
	w.ids[id] = name
	return err
}

// name gives a file of a real process its name; others keep their numbers.
func (w *diskWorld) name(id fileID) fileID {
	if name, ok := w.ids[id]; ok {
		return name
	}
	return id
}

// realParent is a process that spawns children with its own table in all sorts
// of states. It is a helper program of the tests, for the sake of its 0, 1 and 2.
type realParent struct {
	*diskWorld
	dir    string
	waiter string
	pick   chooser
	report io.Writer
	kept   map[int]heldFD // what it must not touch
	placed []int
	files  map[int]*os.File
}

const reportFD = 900

var _ = testenv.RegisterHelper("fds", func(args []string) int {
	p, err := newRealParent(args[0])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	defer spawntest.Force(args[1])()
	count, _ := strconv.Atoi(args[3])
	wrong := 0
	for i := range count {
		p.pick = randomChooser(uint64(i + 1))
		c := realCases[args[2]](p, i)
		if err := p.try(c); err != nil {
			fmt.Fprintf(p.report, "%s, case %d: %v\n%v\n", args[2], i, err, c)
			wrong++
		}
		p.clear()
	}
	if left := p.leftovers(); left != "" {
		fmt.Fprintln(p.report, left)
		wrong++
	}
	return min(wrong, 1)
})

// realCases set up the parent's table and make up the actions.
var realCases = map[string]func(p *realParent, i int) *fdCase{
	"random":  (*realParent).random,
	"permute": (*realParent).permute,
	"closed":  (*realParent).closed,
}

func newRealParent(dir string) (*realParent, error) {
	w, err := newDiskWorld(dir)
	if err != nil {
		return nil, err
	}
	if err := os.Chdir(filepath.Join(dir, "d0")); err != nil {
		return nil, err
	}
	syscall.CloseOnExec(reportFD)
	p := &realParent{diskWorld: w, dir: dir, waiter: filepath.Join(dir, waiterName), report: os.NewFile(reportFD, "report")}
	// What the runtime opens for waiting is open from now on.
	proc, err := spawn.Start(context.Background(), &spawn.Spec{Path: p.waiter, Env: []string{}})
	if err != nil {
		return nil, err
	}
	done := proc.Done()
	_ = proc.Kill()
	<-done
	p.kept, err = tableOf(os.Getpid())
	return p, err
}

// place puts a file at a number, unless it is taken.
func (p *realParent) place(n int, name fileID, cloexec bool) bool {
	if _, taken := p.kept[n]; taken && n > 2 {
		return false
	}
	fd, err := unix.Open(filepath.Join(p.dir, string(name)), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		panic(err)
	}
	flag := 0
	if cloexec {
		flag = unix.O_CLOEXEC
	}
	if fd != n {
		err = unix.Dup3(fd, n, flag)
		unix.Close(fd)
	} else if !cloexec {
		_, err = unix.FcntlInt(uintptr(n), unix.F_SETFD, 0)
	}
	if err != nil {
		panic(err)
	}
	if !slices.Contains(p.placed, n) {
		p.placed = append(p.placed, n)
	}
	return true
}

func (p *realParent) anyFile() fileID {
	dir := fileID(fmt.Sprintf("d%d", p.pick(diskDirs)))
	return dir + oneOf(p.pick, []fileID{"", "/f0", "/f1"})
}

// clear closes what was placed.
func (p *realParent) clear() {
	for _, f := range p.files {
		f.Close()
	}
	for _, n := range p.placed {
		if p.files[n] == nil {
			unix.Close(n)
		}
	}
	p.placed, p.files = nil, nil
}

func (p *realParent) file(n int) *os.File {
	if p.files == nil {
		p.files = map[int]*os.File{}
	}
	if p.files[n] == nil {
		p.files[n] = os.NewFile(uintptr(n), fmt.Sprint("file ", n))
	}
	return p.files[n]
}

// newCase is a case without actions, of the table as it is.
func (p *realParent) newCase() *fdCase {
	c := &fdCase{tty: -1, cwd: "d0", limit: 1024}
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil || l.Cur < 1024+spareFDs {
		c.limit = int(l.Cur) - spareFDs
	}
	return c
}

func (p *realParent) setParent(c *fdCase) {
	table, err := tableOf(os.Getpid())
	if err != nil {
		panic(err)
	}
	for n, fd := range table {
		table[n] = heldFD{p.name(fd.id), fd.cloexec}
	}
	c.parent = table
}

func (p *realParent) random(int) *fdCase {
	c := p.newCase()
	g := &caseMaker{
		pick: p.pick, c: c, wild: true,
		dirs:  []string{"d1", "d2", "d3", "f0"},
		names: []string{"f0", "f1", "f0", "f1", "d1", "missing"},
	}
	for n := range 3 {
		unix.Close(n)
		if !p.pick.chance(20) {
			p.place(n, p.anyFile(), p.pick.chance(40))
		}
	}
	for range p.pick(12) {
		p.place(g.number(), p.anyFile(), p.pick.chance(50))
	}
	g.files = slices.Sorted(slices.Values(p.placed))
	p.setParent(c)
	g.make(1 + p.pick(10))
	return c
}

// permute gives the child 64 files, mixed, at numbers of which many are those of
// others, with gaps up to the limit.
func (p *realParent) permute(int) *fdCase {
	c := p.newCase()
	for n := range 3 {
		p.place(n, p.anyFile(), false)
	}
	for len(p.placed) < 64 {
		p.place(3+p.pick(c.limit-3), p.anyFile(), p.pick.chance(50))
	}
	p.setParent(c)
	targets := slices.Clone(p.placed)
	for i := range targets {
		if p.pick.chance(30) {
			n := 3 + p.pick(c.limit-3)
			if !slices.Contains(targets, n) {
				targets[i] = n
			}
		}
	}
	targets[p.pick(len(targets))] = c.limit - 1
	rand.New(rand.NewPCG(uint64(p.pick(1000)), 2)).Shuffle(len(targets), func(i, j int) {
		targets[i], targets[j] = targets[j], targets[i]
	})
	for i, from := range p.placed {
		c.doings = append(c.doings, doing{kind: doFile, from: from, fd: targets[i]})
	}
	return c
}

// closed goes through all ways in which 0, 1 and 2 may be closed in the parent,
// with little else going on.
func (p *realParent) closed(i int) *fdCase {
	c := p.newCase()
	for n := range 3 {
		unix.Close(n)
		if i>>n&1 == 0 {
			p.place(n, p.anyFile(), p.pick.chance(50))
		}
	}
	p.place(20, "d1/f1", true)
	p.setParent(c)
	for n := range 1 + i>>3&1 {
		c.doings = append(c.doings, doing{kind: doFile, from: 20, fd: 4 + n})
	}
	if i>>4&1 != 0 {
		c.doings = append(c.doings, doing{kind: doOpen, path: "f1", fd: i % 3})
	}
	return c
}

// try spawns a child and compares it with the model.
func (p *realParent) try(c *fdCase) error {
	want := c.model(p.diskWorld)
	s := &spawn.Spec{Path: p.waiter, Env: []string{}, Actions: c.actions(p.file)}
	prog, err := spawn.Compile(s)
	if got := errorIndex(err); got != want.invalid {
		return fmt.Errorf("Compile: %v; want an error for action %d", err, want.invalid)
	}
	if err != nil {
		return nil
	}
	return withChild(prog, func(pid int) error { return p.compare(pid, want) }, func(err error) error {
		index, errno := want.absent, unix.EBADF
		if index < 0 {
			index, errno = want.failed, want.errno
		}
		if errorIndex(err) != index || index >= 0 && !errors.Is(err, errno) {
			return fmt.Errorf("Start: %v; want action %d: %v", err, index, errno)
		}
		return nil
	})
}

// withChild is withWaiter where Start may fail, and judge says if it should.
func withChild(prog *spawn.Program, f func(pid int) error, judge func(err error) error) error {
	proc, err := prog.Start(context.Background())
	if wrong := judge(err); wrong != nil || err != nil {
		if proc != nil {
			_ = proc.Kill()
			_, _ = proc.Wait(context.Background())
		}
		return wrong
	}
	err = awaitExec(proc.Pid())
	if err == nil {
		err = f(proc.Pid())
	}
	_ = proc.Kill()
	_, werr := proc.Wait(context.Background())
	return errors.Join(err, werr)
}

func (p *realParent) compare(pid int, want *outcome) error {
	table, err := tableOf(pid)
	if err != nil {
		return err
	}
	got := map[int]fileID{}
	for n, fd := range table {
		got[n] = p.name(fd.id)
		if fd.cloexec {
			return fmt.Errorf("%d is close-on-exec after execve", n)
		}
	}
	if !maps.Equal(got, want.table) {
		return fmt.Errorf("the program has %v, want %v", got, want.table)
	}
	cwd, err := fileOf(fmt.Sprintf("/proc/%d/cwd", pid))
	if err != nil || p.name(cwd) != want.cwd {
		return fmt.Errorf("working directory %v (%v), want %v", p.name(cwd), err, want.cwd)
	}
	return nil
}

// leftovers says what is open or alive that wasn't before.
func (p *realParent) leftovers() string {
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil); err != unix.ECHILD {
		return "there is still a child"
	}
	now, err := tableOf(os.Getpid())
	if err != nil {
		return err.Error()
	}
	var left strings.Builder
	for n, fd := range now {
		if n > 2 && p.kept[n].id != fd.id && !testenv.IsSlot(strconv.Itoa(n)) {
			fmt.Fprintf(&left, "descriptor %d is left open: %v; ", n, fd)
		}
	}
	return left.String()
}

// runRealParents runs a kind of cases in a helper process under each engine.
func runRealParents(t *testing.T, kind string, count int) {
	dir := t.TempDir()
	if _, err := writeWaiter(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := newDiskWorld(dir); err != nil {
		t.Fatal(err)
	}
	for _, engine := range spawntest.Chosen(t.Name()) {
		t.Run("without "+engine, func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			s := spawntest.Helper(t, "fds", dir, engine, kind, strconv.Itoa(count))
			s.Actions.File(w, reportFD)
			p, err := spawn.Start(context.Background(), s)
			w.Close()
			if err != nil {
				t.Fatal(err)
			}
			report, err := io.ReadAll(r)
			if err != nil {
				t.Error(err)
			}
			state, err := p.Wait(context.Background())
			if err != nil || !state.Success() {
				t.Errorf("%v, %v", state, err)
			}
			if len(report) > 0 {
				t.Errorf("%.20000s", report)
			}
		})
	}
}

// perEngine divides a number of cases among the engines.
func perEngine(full int) int {
	if testing.Short() || testenv.RaceEnabled() {
		full /= 4
	}
	return full / len(spawntest.Without)
}

func TestRandomFDsOfRealChildren(t *testing.T) {
	testenv.NeedCall(t, "openat2", unix.SYS_OPENAT2)
	runRealParents(t, "random", perEngine(testenv.Rounds(800, 40_000)))
}

func TestPermutationsOf64FDs(t *testing.T) {
	runRealParents(t, "permute", perEngine(testenv.Rounds(160, 8000)))
}

func TestClosedStdioInParent(t *testing.T) { runRealParents(t, "closed", 32) }
