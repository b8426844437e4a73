package attr

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/safespawn/spawn/internal/plan"
)

// ConflictError says that two attributes contradict each other, or that one was
// given twice. It matches [syscall.EINVAL].
type ConflictError struct {
	// A and B are the names of their types in this package, such as "Setsid". A comes
	// later in the list, and is the one that the spawn.Error has the index of. They
	// are the same where one was given twice.
	A, B string
	// Why is what they contradict each other in, for people.
	Why string
}

func (e *ConflictError) Error() string {
	if e.A == e.B {
		return "given twice: " + e.Why
	}
	return "contradicts " + e.B + ": " + e.Why
}

// Unwrap returns syscall.EINVAL.
func (e *ConflictError) Unwrap() error { return syscall.EINVAL }

// NeedError says that an attribute makes sense only beside another one, which is
// not in the list. It matches [syscall.EINVAL].
type NeedError struct {
	// Attr is the name of its type in this package.
	Attr string
	// Of are the names of the types of which one has to be there.
	Of []string
	// Namespace is the kind of namespace that they have to be about, as in
	// /proc/PID/ns; empty where they need not be about any.
	Namespace string
}

func (e *NeedError) Error() string {
	text := "needs " + strings.Join(e.Of, " or ")
	if e.Namespace != "" {
		text += " with a namespace of the kind " + e.Namespace
	}
	return text
}

// Unwrap returns syscall.EINVAL.
func (e *NeedError) Unwrap() error { return syscall.EINVAL }

// UnsupportedError says what a kernel or a platform does not have. It matches
// [errors.ErrUnsupported].
type UnsupportedError struct {
	// What is not there: a feature of the kernel, the option of its configuration
	// that brings it ("CONFIG_KSM"), a program, an attribute.
	What string
	// Since is the first version of Linux that has it, such as "5.14", or says in
	// words where it is. It is empty where no version alone brings it.
	Since string
	// Err is the error of the system, where it was asked. errors.Is and errors.As
	// find it, too.
	Err error
}

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
