package forkexec

import (
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/plan"
)

// filePlan is what the file actions come to.
type filePlan struct {
	needs []need          // in the order in which Start sees to them
	table map[int]fdEntry // descriptors of the child, and numbers that are closed
	cwd   place           // working directory of the child
	chdir int             // last action that changed it, or -1

	closedFrom int // what is not in the table is closed from here on
	foreground int // need that is the terminal of Tcsetpgrp, or none
	tcsetpgrp  int // its action
	chrooted   bool
}

// fdEntry says which need a descriptor of the child is, and which action made it
// that; -1 for 0, 1 and 2.
type fdEntry struct{ need, action int }

const (
	none = -1 // instead of a need's index
	shut = -2 // need of a number that is closed
)

// need is a file that this process opens or duplicates at each start, or a
// directory that it looks at.
type need struct {
	kind   needKind
	action int      // that asks for it; -1 for 0, 1 and 2 unless they are named
	fd     int      // needNumber, needFile: the number in this process
	file   *os.File // needFile
	at     place    // needOpen, needDir
	flag   int
	perm   fs.FileMode
}

type needKind uint8

const (
	needNumber needKind = iota
	needFile
	needOpen
	needDir
)

// place is a path, relative to the directory that a need is or, where dir is
// none, to this process's working directory. An empty path is the directory.
type place struct {
	dir  int
	path string
}

// join is where path is for somebody at p. filepath.Join would be wrong here: it
// takes the directory above a symbolic link to be the one that the link is in.
func (p place) join(path string) place {
	switch {
	case filepath.IsAbs(path) || os.IsPathSeparator(path[0]) || filepath.VolumeName(path) != "":
		return place{none, path}
	case p.path == "":
		return place{p.dir, path}
	}
	return place{p.dir, p.path + string(os.PathSeparator) + path}
}

// planFiles performs the actions on a model of the child's table.
func planFiles(actions []plan.Action, chrooted bool) (filePlan, error) {
	f := filePlan{
		table: map[int]fdEntry{}, cwd: place{none, ""}, chdir: -1,
		closedFrom: math.MaxInt, foreground: none, tcsetpgrp: -1, chrooted: chrooted,
	}
	if chrooted {
		f.cwd.path = string(os.PathSeparator)
	}
	for i := range actions {
		if err := f.apply(i, &actions[i]); err != nil {
			return f, err
		}
	}
	for n := range 3 {
		if _, ok := f.table[n]; !ok && n < f.closedFrom {
			f.put(n, f.add(need{kind: needNumber, action: -1, fd: n}), -1)
		}
	}
	return f, nil
}

func (f *filePlan) add(n need) int {
	f.needs = append(f.needs, n)
	return len(f.needs) - 1
}

// put makes a number of the child a need, or shut.
func (f *filePlan) put(n, need, action int) {
	f.table[n] = fdEntry{need, action}
}

func (f *filePlan) closed(n int) bool {
	entry, ok := f.table[n]
	return ok && entry.need == shut || !ok && n >= f.closedFrom
}

// lookup is the file that descriptor n of the child is at action i.
func (f *filePlan) lookup(i int, x *plan.Action, n int) (int, error) {
	if f.closed(n) {
		return none, x.ErrorAt(i, plan.Invalid("descriptor %d was closed by an earlier action", n))
	}
	if entry, ok := f.table[n]; ok {
		return entry.need, nil
	}
	return f.add(need{kind: needNumber, action: i, fd: n}), nil
}

// apply performs action i.
func (f *filePlan) apply(i int, x *plan.Action) error {
	switch x.Kind {
	case plan.ActOpen, plan.ActOpenAt:
		return f.open(i, x)
	case plan.ActDup2, plan.ActInherit:
		from := x.FD
		if x.Kind == plan.ActDup2 {
			from = x.From
		}
		k, err := f.lookup(i, x, from)
		if err != nil {
			return err
		}
		f.put(x.FD, k, i)
	case plan.ActFile:
		fd, err := highfd.Number(x.File)
		if err != nil {
			return x.ErrorAt(i, err)
		}
		f.put(x.FD, f.add(need{kind: needFile, action: i, fd: fd, file: x.File}), i)
	case plan.ActClose:
		f.put(x.FD, shut, i)
	case plan.ActCloseFrom:
		maps.DeleteFunc(f.table, func(n int, _ fdEntry) bool { return n >= x.FD })
		f.closedFrom = min(f.closedFrom, x.FD)
	case plan.ActChdir, plan.ActFchdir:
		return f.changeDir(i, x)
	case plan.ActOpenAt2:
		return x.ErrorAt(i, unsupported("FileActions.OpenAt2"))
	case plan.ActMkdir:
		return x.ErrorAt(i, unsupported("FileActions.Mkdir"))
	case plan.ActSymlink:
		return x.ErrorAt(i, unsupported("FileActions.Symlink"))
	case plan.ActTcsetpgrp:
		k, err := f.lookup(i, x, x.FD)
		if err != nil {
			return err
		}
		if f.foreground != none {
			return x.ErrorAt(i, unsupported("FileActions.Tcsetpgrp, called twice,"))
		}
		f.foreground, f.tcsetpgrp = k, i
	}
	return nil
}

func (f *filePlan) open(i int, x *plan.Action) error {
	base := f.cwd
	if x.From != plan.AtFdcwd {
		k, err := f.lookup(i, x, x.From)
		if err != nil {
			return err
		}
		base = place{k, ""}
	}
	n := need{kind: needOpen, action: i, at: base.join(x.Path), flag: x.Flag, perm: x.Perm}
	f.put(x.FD, f.add(n), i)
	return nil
}

// changeDir changes the working directory. Inside another root there is nothing
// for the parent to look at.
func (f *filePlan) changeDir(i int, x *plan.Action) error {
	if x.Kind == plan.ActChdir {
		f.cwd = f.cwd.join(x.Path)
	} else {
		k, err := f.lookup(i, x, x.FD)
		if err != nil {
			return err
		}
		f.cwd = place{k, ""}
	}
	f.chdir = i
	if !f.chrooted {
		f.add(need{kind: needDir, action: i, at: f.cwd})
	}
	return nil
}

// numberFor is the lowest descriptor of the child that is the same file as fd of this
// process, or -1.
func (f *filePlan) numberFor(fd int) int {
	for _, n := range f.numbers() {
		entry := f.table[n]
		if entry.need == shut {
			continue
		}
		switch need := &f.needs[entry.need]; need.kind {
		case needNumber, needFile:
			if need.fd == fd {
				return n
			}
		}
	}
	return -1
}

// numbers is those of the table, in order.
func (f *filePlan) numbers() []int { return slices.Sorted(maps.Keys(f.table)) }

// heldFiles is what a start has open; each has the index of its need, and what
// has none comes after them.
type heldFiles []heldFile

type heldFile struct {
	*os.File      // nil: there is no such file
	own      bool // to be closed
}

func (h *heldFiles) close() {
	for _, f := range *h {
		if f.own && f.File != nil {
			f.Close()
		}
	}
}

// hold sees to all needs. What it returns is to be closed also when it fails.
func (p *Program) hold() (held heldFiles, err error) {
	for i := range p.files.needs {
		n := &p.files.needs[i]
		f, err := n.get(held)
		if err != nil {
			return held, p.needError(n, err)
		}
		held = append(held, f)
	}
	return held, nil
}

// needError is the error of a need, which an action may ask for.
func (p *Program) needError(n *need, err error) error {
	if n.action < 0 {
		return &plan.Error{Part: plan.PartStart, Step: plan.StepFileTable, Index: -1, Object: fmt.Sprintf("fd %d", n.fd), Err: err}
	}
	return p.actions[n.action].ErrorAt(n.action, err)
}

// place puts held files where the child has them.
func (f *filePlan) place(held heldFiles, files []*os.File) {
	for n, entry := range f.table {
		if entry.need != shut {
			files[n] = held[entry.need].File
		}
	}
}
