package attr

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/safespawn/spawn/internal/plan"
)

// ConflictError says that two attributes contradict each other, or that an
// attribute was given twice. It matches [syscall.EINVAL].
type ConflictError struct {
	// A and B are the names of the two types in this package, such as "Setsid". A
	// comes later in the list, and the Index of the spawn.Error is that of A. If an
	// attribute was given twice, A and B are the same.
	A, B string
	// Why says what the two contradict each other in, for people.
	Why string
}

// Error names B, and says why the two contradict each other.
func (e *ConflictError) Error() string {
	if e.A == e.B {
		return "given twice: " + e.Why
	}
	return "contradicts " + e.B + ": " + e.Why
}

// Unwrap returns syscall.EINVAL.
func (e *ConflictError) Unwrap() error { return syscall.EINVAL }

// NeedError says that an attribute needs another one, which is not in the list. It
// matches [syscall.EINVAL].
type NeedError struct {
	// Attr is the name of the attribute's type in this package.
	Attr string
	// Of are the names of the types. One of them must be in the list.
	Of []string
	// Namespace is the kind of namespace that the types must be about, as in
	// /proc/PID/ns. It is empty if the kind does not matter.
	Namespace string
}

// Error names the needed types.
func (e *NeedError) Error() string {
	text := "needs " + strings.Join(e.Of, " or ")
	if e.Namespace != "" {
		text += " with a namespace of the kind " + e.Namespace
	}
	return text
}

// Unwrap returns syscall.EINVAL.
func (e *NeedError) Unwrap() error { return syscall.EINVAL }

// UnsupportedError says what a kernel or a platform lacks. It matches
// [errors.ErrUnsupported].
type UnsupportedError struct {
	// What is the missing thing: a feature of the kernel, an option of its
	// configuration ("CONFIG_KSM"), a program, an attribute.
	What string
	// Since is the first Linux version that has it, such as "5.14", or words that
	// say where it is. It is empty if no version alone brings it.
	Since string
	// Err is the cause, if more is known: the error of the system, or words about it.
	// errors.Is and errors.As find it, too.
	Err error
}

// Error names the missing thing and its first Linux version.
func (e *UnsupportedError) Error() string {
	text := "needs " + e.What
	if since := e.Since; since != "" {
		if since[0] >= '0' && since[0] <= '9' {
			since = "Linux " + since
		}
		text = fmt.Sprintf("%s (%s)", text, since)
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns Err.
func (e *UnsupportedError) Unwrap() error { return e.Err }

// Is reports whether target is errors.ErrUnsupported.
func (e *UnsupportedError) Is(target error) bool { return target == errors.ErrUnsupported }

// ofClaims makes an error of the claims one of this package.
func ofClaims(err error) error {
	var e *plan.Error
	if !errors.As(err, &e) {
		return err
	}
	name := func(by string) string { return strings.TrimPrefix(by, "attr.") }
	switch x := e.Err.(type) {
	case *plan.Conflict:
		e.Object, e.Err = name(x.A), &ConflictError{name(x.A), name(x.B), x.Why}
	case *plan.Need:
		need := &NeedError{Attr: name(x.By), Namespace: x.Namespace}
		for _, of := range x.Of {
			need.Of = append(need.Of, name(of))
		}
		e.Object, e.Err = need.Attr, need
	}
	return e
}
