package exec

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"syscall"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/handover"
)

// actions lowers Dir, the files and Actions, and returns how many actions are
// not those of Actions.
func (c *Cmd) actions(a *spawn.FileActions, files []*os.File) int {
	if c.InheritAll {
		a.InheritAll()
	}
	if c.Dir != "" {
		a.Chdir(c.Dir)
	}
	if c.DirFile != nil {
		// The standard input comes after it.
		handover.FileAsIs(a, c.DirFile, 0)
		a.Fchdir(0)
	}
	for n, f := range files {
		// Fd also makes a file blocking that package os has made non-blocking,
		// as most programs want it. It is not a number if f is closed.
		if f == nil || int(f.Fd()) < 0 {
			a.Close(n)
		} else if first := slices.Index(files[:n], f); first >= 0 {
			a.Dup2(first, n)
		} else {
			handover.FileAsIs(a, f, n)
		}
	}
	own := a.Len()
	a.Append(&c.Actions)
	return own
}

// startError is the error of os.StartProcess for one of package spawn. own is how
// many actions were not the user's.
func (c *Cmd) startError(path string, own int, err error) error {
	var e *spawn.Error
	if !errors.As(err, &e) {
		return err
	}
	if pe := c.missingDir(); pe != nil {
		return pe
	}
	step := *e
	switch {
	case step.Part == spawn.PartAction:
		step.Index = max(step.Index-own, -1)
	case step.Part == spawn.PartAttr && step.Index >= len(c.Attr):
		step.Index = -1 // of SysProcAttr
	}
	pe := &fs.PathError{Op: "fork/exec", Path: path, Err: &stepError{&step}}
	// Programs compare Err, and functions of package os look at nothing else.
	var errno syscall.Errno
	if errors.As(step.Err, &errno) && obvious(&step, errno) {
		pe.Err = errno
		if runtime.GOOS == "windows" && step.Step == spawn.StepChdir {
			pe.Err = errDirectory
		}
	}
	return pe
}

// errDirectory is what Windows says of any working directory that is none:
// ERROR_DIRECTORY.
const errDirectory = syscall.Errno(267)

// missingDir is what os.StartProcess finds when it looks for Dir, before all else.
func (c *Cmd) missingDir() error {
	if c.Dir == "" || c.SysProcAttr != nil || c.fake != nil {
		return nil
	}
	var pe *fs.PathError
	if _, err := os.Stat(c.Dir); errors.As(err, &pe) {
		pe.Op = "chdir"
		return pe
	}
	return nil
}

// obvious reports whether a step says no more than that the program file or Dir
// could not be used.
func obvious(e *spawn.Error, errno syscall.Errno) bool {
	switch e.Step {
	case spawn.StepPath:
		return true
	case spawn.StepChdir:
		return e.Index < 0
	case spawn.StepExecve:
		return e.Object == e.Path && errno != syscall.E2BIG && errno != syscall.EAGAIN
	}
	return false
}

// stepError prints a spawn.Error within an fs.PathError, which has the path.
type stepError struct{ e *spawn.Error }

func (s *stepError) Unwrap() error { return s.e }

func (s *stepError) Error() string {
	if s.e.Hint == "" {
		return s.text()
	}
	return s.text() + " (" + s.e.Hint + ")"
}

func (s *stepError) text() string {
	switch {
	case s.e.Step == spawn.StepExecve && s.e.Object == s.e.Path:
		return s.e.Err.Error()
	case s.e.Step == spawn.StepExecve:
		return s.e.Object + ": " + s.e.Err.Error()
	case s.e.Object == "":
		return s.e.Step + ": " + s.e.Err.Error()
	}
	return s.e.Step + " " + s.e.Object + ": " + s.e.Err.Error()
}

// Timeout is that of the errno. os.IsTimeout and PathError ask for it.
func (s *stepError) Timeout() bool {
	var errno syscall.Errno
	return errors.As(s.e, &errno) && errno.Timeout()
}

// hasType reports whether an attribute of type T is in a list.
func hasType[T attr.Attr](list attr.List) bool {
	return slices.ContainsFunc(list, func(a attr.Attr) bool { _, ok := a.(T); return ok })
}
