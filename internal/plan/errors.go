package plan

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"syscall"
	"unicode/utf8"
)

// Part is what the index of a step counts in.
type Part uint8

// PartSpec and PartStart have no index.
const (
	PartSpec   Part = iota + 1 // a field of the Spec
	PartArg                    // an argument
	PartEnv                    // an entry of the environment
	PartAction                 // a file action
	PartAttr                   // an attribute
	PartStart                  // what each start does
)

// Error says what is wrong, and why. Step, Index and Object are as in
// spawn.Error.
type Error struct {
	Part   Part
	Step   string
	Index  int
	Object string
	Err    error
	Hint   string // more about the cause, or nothing
}

func (e *Error) Error() string { return fmt.Sprintf("%s %s: %v", e.Step, e.Object, e.Err) }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// SpecError is bad input in a field of a Spec.
func SpecError(step, object string, err error) error {
	return &Error{Part: PartSpec, Step: step, Index: -1, Object: object, Err: err}
}

// AttrError is an error of an attribute.
func AttrError(step string, index int, object string, err error) error {
	return &Error{Part: PartAttr, Step: step, Index: index, Object: object, Err: err}
}

// StartError is an error of what each start does.
func StartError(step string, err error) error {
	return &Error{Part: PartStart, Step: step, Index: -1, Err: err}
}

// Bare is an error of package os without the path, which ours has.
func Bare(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// NotAPath is the hint where a program is missing that is given by its name alone.
const NotAPath = "not a path; use LookPath"

// Invalid is bad input: an error that matches syscall.EINVAL and says why.
func Invalid(format string, args ...any) error {
	return &invalid{fmt.Sprintf(format, args...)}
}

type invalid struct{ why string }

func (e *invalid) Error() string { return e.why }

func (e *invalid) Unwrap() error { return syscall.EINVAL }

// Printable shows what can't be seen, such as the carriage return that a script
// from another system has at the end of its first line, and gives a terminal no orders.
func Printable(s string) string {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(c rune) bool { return !strconv.IsPrint(c) }) {
		return strconv.Quote(s)
	}
	return s
}

// ErrStatusUnknown is that of package spawn.
var ErrStatusUnknown = errors.New("spawn: the process has ended, and the kernel does not tell how")

// ErrDigest is that of package spawn.
var ErrDigest = errors.New("the program does not have the digest")

// ErrStatusTaken is that of package spawn.
var ErrStatusTaken = errors.New("spawn: exit status was taken by another waiter, or SIGCHLD is ignored")
