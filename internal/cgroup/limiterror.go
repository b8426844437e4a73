// Package cgroup makes control groups of version 2 for trees of processes, ends what is
// in them, and removes what processes that have died have left.
package cgroup

import "strings"

// LimitError says why a limit of a tree can't be set. It matches Err: EBUSY where a
// controller can't be switched on because the parent cgroup has processes of its own,
// EACCES, EPERM or EROFS where that is not allowed, [errors.ErrUnsupported] where the
// cgroup has no such controller or the kernel no such file, EINVAL for a value that
// makes no sense, and what failed otherwise, such as EMFILE.
type LimitError struct {
	File       string // such as "memory.max"
	Controller string // such as "memory"
	Dir        string // the cgroup that it is about; empty where there is none
	Why        string // in words
	Hint       string // what to do about it, or nothing
	Err        error
}

// Error names the file, the controller, the cgroup and the reason.
func (e *LimitError) Error() string {
	var b strings.Builder
	b.WriteString("spawn: limit " + e.File + ": controller " + e.Controller)
	if e.Dir != "" {
		b.WriteString(" in " + e.Dir)
	}
	if e.Why != "" {
		b.WriteString(": " + e.Why)
	}
	b.WriteString(": " + e.Err.Error())
	if e.Hint != "" {
		b.WriteString(" (" + e.Hint + ")")
	}
	return b.String()
}

// Unwrap returns Err.
func (e *LimitError) Unwrap() error { return e.Err }
