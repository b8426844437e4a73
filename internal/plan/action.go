package plan

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"
)

// Action is a file action: what the child does to a descriptor or its working
// directory.
type Action struct {
	Kind ActionKind
	FD   int // target, or what is used
	From int // Dup2: source; OpenAt: directory
	Path string
	Flag int
	Perm fs.FileMode

	Resolve uint64 // OpenAt2
	Target  string // Symlink

	File *os.File
	AsIs bool // File is passed as it is, also where it does not block
}

// ActionKind is what an action does.
type ActionKind uint8

// The kinds of actions.
const (
	ActOpen ActionKind = iota
	ActOpenAt
	ActDup2
	ActFile
	ActClose
	ActCloseFrom
	ActInherit
	ActInheritAll
	ActChdir
	ActFchdir
	ActTcsetpgrp
	ActOpenAt2
	ActMkdir
	ActSymlink
)

// AtFdcwd stands for the working directory as the directory of OpenAt.
const AtFdcwd = -100

var actionNames = [...]string{
	ActOpen: StepOpen, ActOpenAt: StepOpenAt, ActDup2: StepDup2, ActFile: StepFile, ActClose: StepClose,
	ActCloseFrom: StepCloseFrom, ActInherit: StepInherit, ActInheritAll: StepInheritAll, ActChdir: StepChdir,
	ActFchdir: StepFchdir, ActTcsetpgrp: StepTcsetpgrp, ActOpenAt2: StepOpenAt2, ActMkdir: StepMkdir, ActSymlink: StepSymlink,
}

// String is the name of the step.
func (k ActionKind) String() string { return actionNames[k] }

// ActionKinds are the names of all kinds.
func ActionKinds() []string { return actionNames[:] }

// InheritsAll reports whether the child is to have all descriptors.
func InheritsAll(list []Action) bool {
	return slices.ContainsFunc(list, func(x Action) bool { return x.Kind == ActInheritAll })
}

// CheckActions validates what can be validated without looking at descriptors.
func CheckActions(list []Action) error {
	for i := range list {
		if why := list[i].check(); why != nil {
			return list[i].ErrorAt(i, why)
		}
	}
	return nil
}

func (x *Action) check() error {
	if x.HasFD() && (x.FD < 0 || x.FD > math.MaxInt32) {
		return Invalid("descriptor %d is out of range", x.FD)
	}
	switch x.Kind {
	case ActDup2, ActOpenAt, ActOpenAt2:
		if (x.From < 0 && !(x.Kind != ActDup2 && x.From == AtFdcwd)) || x.From > math.MaxInt32 {
			return Invalid("descriptor %d is out of range", x.From)
		}
	case ActFile:
		if x.File == nil {
			return Invalid("nil file")
		}
	}
	if x.Kind == ActSymlink {
		if err := CheckPath(x.Target); err != nil {
			return err
		}
	}
	if x.hasPath() {
		return CheckPath(x.Path)
	}
	return nil
}

// HasFD reports whether FD is a descriptor.
func (x *Action) HasFD() bool {
	switch x.Kind {
	case ActChdir, ActInheritAll, ActMkdir, ActSymlink:
		return false
	}
	return true
}

func (x *Action) hasPath() bool {
	switch x.Kind {
	case ActOpen, ActOpenAt, ActOpenAt2, ActChdir, ActMkdir, ActSymlink:
		return true
	}
	return false
}

// Changes reports whether the action puts another file at x.FD.
func (x *Action) Changes() bool {
	switch x.Kind {
	case ActOpen, ActOpenAt, ActOpenAt2, ActFile:
		return true
	case ActDup2:
		return x.From != x.FD
	}
	return false
}

// ErrorAt is the error of action i.
func (x *Action) ErrorAt(i int, err error) error {
	return &Error{Part: PartAction, Step: x.Kind.String(), Index: i, Object: x.Object(), Err: err}
}

// Object is what an error names.
func (x *Action) Object() string {
	switch x.Kind {
	case ActOpen, ActOpenAt, ActOpenAt2, ActChdir, ActMkdir, ActSymlink:
		return x.Path
	case ActDup2:
		return fmt.Sprintf("fd %d to %d", x.From, x.FD)
	case ActFile:
		if x.File == nil {
			return fmt.Sprintf("to fd %d", x.FD)
		}
		return fmt.Sprintf("%s to fd %d", x.File.Name(), x.FD)
	case ActInheritAll:
		return ""
	}
	return fmt.Sprintf("fd %d", x.FD)
}

// Uses is the descriptor that an action takes by number.
func (x *Action) Uses() (n int, ok bool) {
	switch x.Kind {
	case ActDup2:
		return x.From, true
	case ActOpenAt, ActOpenAt2:
		return x.From, x.From != AtFdcwd
	case ActInherit, ActFchdir, ActTcsetpgrp:
		return x.FD, true
	}
	return 0, false
}

// CheckPath finds what no path is.
func CheckPath(path string) error {
	if path == "" {
		return Invalid("empty path")
	}
	if strings.IndexByte(path, 0) >= 0 {
		return Invalid("NUL byte in %q", path)
	}
	return nil
}
