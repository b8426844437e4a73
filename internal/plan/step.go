package plan

// Step is one system call of a child, as Program.Steps of package spawn shows it.
type Step struct {
	Part    Part // this and the next three are those of the Error if it fails
	Name    string
	Index   int
	Object  string
	Syscall string
	Number  int
	Args    []StepArg
	Note    string

	Optional, Repeated, Parent, MayFail bool
}

// StepArg is an argument of a system call.
type StepArg struct {
	Text  string
	Value uint64
	Known bool
}
