//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package fdtable_test

import (
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/plan"
)

// fileID tells files apart.
type fileID string

// fdWorld is the files that there are. The first letter of a name says what a
// file is: a directory (d), a terminal (t), or something else.
type fdWorld interface {
	kind(id fileID) byte
	// open is what a path names in a directory.
	open(dir fileID, path string) (fileID, syscall.Errno)
}

// heldFD is what a number of a process is.
type heldFD struct {
	id      fileID
	cloexec bool
}

// doing is a file action of a test.
type doing struct {
	kind doingKind
	fd   int
	from int // Dup2, OpenAt: a number; File: the parent's number of the file
	path string
	how  bool // OpenAt2 in place of OpenAt
}

type doingKind int

const (
	doOpen doingKind = iota
	doOpenAt
	doDup2
	doFile
	doClose
	doCloseFrom
	doInherit
	doInheritAll
	doChdir
	doFchdir
	doTcsetpgrp
)

func (d doing) String() string {
	name := [...]string{
		"Open", "OpenAt", "Dup2", "File", "Close", "CloseFrom", "Inherit", "InheritAll", "Chdir", "Fchdir", "Tcsetpgrp",
	}[d.kind]
	return fmt.Sprintf("%s(fd %d, from %d, %q, how %v)", name, d.fd, d.from, d.path, d.how)
}

// fdCase is a parent's table, and what its child is to do.
type fdCase struct {
	parent map[int]heldFD
	cwd    fileID
	doings []doing
	tty    int // the parent's number of the controlling terminal's file, or -1
	limit  int
}

func (c *fdCase) String() string {
	s := fmt.Sprintf("limit %d, tty %d, cwd %s, parent:", c.limit, c.tty, c.cwd)
	for _, n := range slices.Sorted(maps.Keys(c.parent)) {
		s += fmt.Sprintf(" %d=%v", n, c.parent[n])
	}
	for i, d := range c.doings {
		s += fmt.Sprintf("\n\t%2d %v", i, d)
	}
	return s
}

// actions calls the methods of FileActions. file gives the os.File of a number.
func (c *fdCase) actions(file func(n int) *os.File) (a spawn.FileActions) {
	for _, d := range c.doings {
		switch d.kind {
		case doOpen:
			a.Open(d.fd, d.path, os.O_RDONLY, 0)
		case doOpenAt:
			if d.how {
				a.OpenAt2(d.fd, d.from, d.path, os.O_RDONLY|unix.O_CLOEXEC, 0o777, unix.RESOLVE_NO_MAGICLINKS)
				continue
			}
			a.OpenAt(d.fd, d.from, d.path, os.O_RDONLY|unix.O_CLOEXEC, 0)
		case doDup2:
			a.Dup2(d.from, d.fd)
		case doFile:
			a.File(file(d.from), d.fd)
		case doClose:
			a.Close(d.fd)
		case doCloseFrom:
			a.CloseFrom(d.fd)
		case doInherit:
			a.Inherit(d.fd)
		case doInheritAll:
			a.InheritAll()
		case doChdir:
			a.Chdir(d.path)
		case doFchdir:
			a.Fchdir(d.fd)
		case doTcsetpgrp:
			a.Tcsetpgrp(d.fd)
		}
	}
	return a
}

// planned is the same for package plan, whose files are all one; numbers are their
// descriptors by action.
func (c *fdCase) planned() (list []plan.Action, numbers []int) {
	kinds := [...]plan.ActionKind{
		doOpen: plan.ActOpen, doOpenAt: plan.ActOpenAt, doDup2: plan.ActDup2, doFile: plan.ActFile,
		doClose: plan.ActClose, doCloseFrom: plan.ActCloseFrom, doInherit: plan.ActInherit, doInheritAll: plan.ActInheritAll,
		doChdir: plan.ActChdir, doFchdir: plan.ActFchdir, doTcsetpgrp: plan.ActTcsetpgrp,
	}
	for _, d := range c.doings {
		x, number := plan.Action{Kind: kinds[d.kind], FD: d.fd, From: d.from, Path: d.path}, -1
		switch d.kind {
		case doOpen:
			x.From = plan.AtFdcwd
		case doOpenAt:
			x.Flag = unix.O_CLOEXEC
			if d.how {
				x.Kind = plan.ActOpenAt2
			}
		case doFile:
			x.From, x.File, number = 0, os.Stdin, d.from
		}
		list, numbers = append(list, x), append(numbers, number)
	}
	return list, numbers
}

// outcome is what becomes of a case: an error that is found when it is compiled
// or before the clone, a failure of the child, or a program that runs.
type outcome struct {
	invalid int // action that Compile finds wrong, -1 for none
	absent  int // action that Start finds to use what is not open, -1 for none
	failed  int // action that fails in the child, -1 for none; len(doings): the terminal
	errno   syscall.Errno

	table map[int]fileID // of the program that runs
	cwd   fileID
	ttys  []fileID // terminals in the order of their use
}

// fdModel follows a case by what the documentation of FileActions says, one
// action after the other on the whole of the parent's table.
type fdModel struct {
	world  fdWorld
	tab    map[int]fileID
	closed map[int]bool // by an action, and nothing put there since
	from   int          // closed from here on, but for what is in tab
	keep   map[int]bool
	out    outcome
}

func (c *fdCase) model(world fdWorld) *outcome {
	m := &fdModel{world: world, tab: map[int]fileID{}, closed: map[int]bool{}, from: math.MaxInt, keep: map[int]bool{}}
	m.out = outcome{invalid: -1, absent: -1, failed: -1, cwd: c.cwd}
	all := slices.ContainsFunc(c.doings, func(d doing) bool { return d.kind == doInheritAll })
	for n, f := range c.parent {
		m.tab[n] = f.id
		m.keep[n] = !f.cloexec && (all || n <= 2)
	}
	for i, d := range c.doings {
		if d.fd < 0 || d.from < 0 {
			m.out.invalid = i
			return &m.out // numbers are looked at before anything else
		}
	}
	for i, d := range c.doings {
		m.do(i, d, c.parent)
	}
	if c.tty >= 0 {
		m.terminal(len(c.doings), c.parent[c.tty].id)
	}
	m.out.table = map[int]fileID{}
	for n, id := range m.tab {
		if m.keep[n] {
			m.out.table[n] = id
		}
	}
	return &m.out
}

func (m *fdModel) do(i int, d doing, parent map[int]heldFD) {
	switch d.kind {
	case doOpen:
		m.remove(d.fd)
		m.put(d.fd, m.open(i, m.out.cwd, d.path))
	case doOpenAt:
		dir := m.use(i, d.from)
		m.put(d.fd, m.open(i, dir, d.path))
	case doDup2:
		m.put(d.fd, m.use(i, d.from))
	case doFile:
		m.put(d.fd, parent[d.from].id)
	case doClose:
		m.remove(d.fd)
	case doCloseFrom:
		for n := range m.tab {
			if n >= d.fd {
				m.remove(n)
			}
		}
		m.from = min(m.from, d.fd)
	case doInherit:
		m.put(d.fd, m.use(i, d.fd))
	case doChdir:
		m.chdir(i, m.open(i, m.out.cwd, d.path))
	case doFchdir:
		m.chdir(i, m.use(i, d.fd))
	case doTcsetpgrp:
		m.terminal(i, m.use(i, d.fd))
	}
}

func (m *fdModel) put(n int, id fileID) {
	m.tab[n], m.keep[n] = id, true
	delete(m.closed, n)
}

func (m *fdModel) remove(n int) {
	delete(m.tab, n)
	m.closed[n] = true
}

// absentID stands for what isn't there; the case has failed by then.
const absentID = fileID("d-absent")

// use is the file at number n, for action i.
func (m *fdModel) use(i, n int) fileID {
	if id, ok := m.tab[n]; ok {
		return id
	}
	if m.closed[n] || n >= m.from {
		if m.out.invalid < 0 {
			m.out.invalid = i
		}
	} else if m.out.absent < 0 {
		m.out.absent = i
	}
	return absentID
}

func (m *fdModel) fail(i int, errno syscall.Errno) {
	if m.out.failed < 0 {
		m.out.failed, m.out.errno = i, errno
	}
}

func (m *fdModel) open(i int, dir fileID, path string) fileID {
	id, errno := m.world.open(dir, path)
	if errno != 0 {
		m.fail(i, errno)
		return absentID
	}
	return id
}

func (m *fdModel) chdir(i int, id fileID) {
	if id != absentID && m.world.kind(id) != 'd' {
		m.fail(i, unix.ENOTDIR)
	}
	m.out.cwd = id
}

func (m *fdModel) terminal(i int, id fileID) {
	if id != absentID && m.world.kind(id) != 't' {
		m.fail(i, unix.ENOTTY)
	}
	m.out.ttys = append(m.out.ttys, id)
}
