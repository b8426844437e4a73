package spawn

import (
	"strings"

	"github.com/safespawn/spawn/internal/plan"
)

// Step is one system call of a start.
type Step struct {
	// Part, Name, Index and Object are those of the Error if the call fails.
	Part   Part
	Name   string
	Index  int
	Object string
	// Syscall is the name of the system call. Number is its number on this machine.
	Syscall string
	Number  int
	// Args are the arguments, as far as they are known before the child runs.
	Args []StepArg
	// Note says in words when the call is left out or repeated, and what it yields.
	// It is mostly empty.
	Note string
	// Optional says that the call may be left out. Repeated says that the call may
	// be made any number of times, with Args[0] counting up. A repeated call is
	// Optional, too.
	Optional, Repeated bool
	// MayFail says that the call belongs to an attribute of attr.Optional. If the call
	// fails, the child goes on.
	MayFail bool
	// Parent says that this process makes the call, or has it made, and not the child.
	Parent bool
}

// StepArg is an argument of a system call.
type StepArg struct {
	Text  string // as printed
	Value uint64
	Known bool // whether Value is; otherwise the child finds it out
}

// String formats the call as strace does, followed by the note.
func (s Step) String() string {
	args := make([]string, len(s.Args))
	for i, a := range s.Args {
		args[i] = a.Text
	}
	call := s.Syscall + "(" + strings.Join(args, ", ") + ")"
	if s.Note != "" {
		call += " // " + s.Note
	}
	return call
}

// stepsOf are steps as Program.Steps returns them.
func stepsOf(list []plan.Step) []Step {
	steps := make([]Step, len(list))
	for i, s := range list {
		args := make([]StepArg, len(s.Args))
		for k, a := range s.Args {
			args[k] = StepArg(a)
		}
		steps[i] = Step{
			Part: Part(s.Part), Name: s.Name, Index: s.Index, Object: s.Object,
			Syscall: s.Syscall, Number: s.Number, Args: args, Note: s.Note, Optional: s.Optional, Repeated: s.Repeated, MayFail: s.MayFail, Parent: s.Parent,
		}
	}
	return steps
}
