package exectest

import (
	"io"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/exec"
)

// Rule says what becomes of a command. [On], [OnAny] and [OnFunc] make one: the command succeeds
// at once, without output. The methods change this, and return the rule.
type Rule struct {
	about string
	match func(*exec.Cmd) bool
	times int // 0 for any
	used  int

	fail   func(*exec.Cmd) error // nil for a start that succeeds
	after  time.Duration
	reads  bool
	output []chunk
	do     func(*Run) int
	exit   int
	signal syscall.Signal            // ends it, if not 0
	traps  map[os.Signal]func() *end // nil in it: ignored
}

// chunk is output to descriptor 1 or 2.
type chunk struct {
	fd   int
	data []byte
}

// end is how a program ends.
type end struct {
	code   int
	signal syscall.Signal
}

// On returns a rule about a command with exactly these arguments. name is what
// CommandContext was given.
func On(name string, args ...string) *Rule {
	want := append([]string{name}, args...)
	r := OnFunc(func(c *exec.Cmd) bool { return slices.Equal(argv(c), want) })
	r.about = line(want)
	return r
}

// OnAny returns a rule about a program with any arguments.
func OnAny(name string) *Rule {
	r := OnFunc(func(c *exec.Cmd) bool { return argv(c)[0] == name })
	r.about = name
	return r
}

// OnFunc returns a rule about commands for which f returns true. f must not call methods of
// the Cmd. If the code under test starts commands in several goroutines, f is called in several
// at once.
func OnFunc(f func(c *exec.Cmd) bool) *Rule { return &Rule{about: "of OnFunc", match: f} }

// argv is the argument vector of a Cmd.
func argv(c *exec.Cmd) []string {
	if len(c.Args) == 0 {
		return []string{c.Path}
	}
	return c.Args
}

// Times makes the rule be about the next n commands only. Zero means any number.
func (r *Rule) Times(n int) *Rule { r.times = n; return r }

// After lets time pass before anything else. The end of the context cuts it short.
func (r *Rule) After(d time.Duration) *Rule { r.after = d; return r }

// ReadStdin reads the whole standard input before there is output. Call.Stdin has it.
func (r *Rule) ReadStdin() *Rule { r.reads = true; return r }

// Out adds to the standard output, and Err to the standard error, in the order of the calls.
func (r *Rule) Out(text string) *Rule { return r.adds(1, text) }

// Err adds to the standard error.
func (r *Rule) Err(text string) *Rule { return r.adds(2, text) }

func (r *Rule) adds(fd int, text string) *Rule {
	r.output = append(r.output, chunk{fd, []byte(text)})
	return r
}

// Exit is the exit code, from 0 to 255. Another code, here, of Trap or of Do, makes Cmd.Wait
// return the error of [Exited].
func (r *Rule) Exit(code int) *Rule { r.exit = code; return r }

// Signal makes a signal end the program, after its output. Zero is for none. A signal that ends
// no program makes Cmd.Wait return the error of [Signaled].
func (r *Rule) Signal(sig syscall.Signal) *Rule { r.signal = sig; return r }

// Trap makes a signal end the program with an exit code. Without Trap, KILL and all signals
// that end a program by default end it by the signal. KILL and STOP can't be trapped.
func (r *Rule) Trap(sig os.Signal, code int) *Rule {
	return r.trap(sig, func() *end { return &end{code: code} })
}

// Ignore makes the program ignore signals. KILL and STOP can't be ignored.
func (r *Rule) Ignore(sigs ...os.Signal) *Rule {
	for _, s := range sigs {
		r.trap(s, func() *end { return nil })
	}
	return r
}

func (r *Rule) trap(sig os.Signal, f func() *end) *Rule {
	if r.traps == nil {
		r.traps = map[os.Signal]func() *end{}
	}
	r.traps[sig] = f
	return r
}

// Run is a program that runs, for [Rule.Do].
type Run struct {
	Args, Env []string
	Dir       string
	Stdin     io.Reader
	Stdout    io.Writer
	Stderr    io.Writer
	// Done is closed when the program is to end, because of a signal.
	Done <-chan struct{}
}

// Do makes f the program: it is called after the output of Out and Err, and returns the exit
// code. If a signal ends the program, it ends, and f may go on for as long as it has to: f then
// reads and writes nothing, and the error of a Read and of a Write is [os.ErrClosed].
func (r *Rule) Do(f func(*Run) int) *Rule { r.do = f; return r }

// Fail makes Start return an error.
func (r *Rule) Fail(err error) *Rule {
	r.fail = func(*exec.Cmd) error { return err }
	return r
}

// NotFound makes Start return the *exec.Error of a program that is not in PATH.
func (r *Rule) NotFound() *Rule {
	r.fail = func(c *exec.Cmd) error { return &exec.Error{Name: c.Path, Err: exec.ErrNotFound} }
	return r
}

// FailStep makes Start fail at a step, such as spawn.StepSetresuid: the error is the one of
// a real start, an *fs.PathError with a *spawn.Error. If a file action or an attribute of the
// Cmd has the step, the Part, Index and Object are those of it. A nil err counts as EINVAL.
func (r *Rule) FailStep(step string, err error) *Rule {
	if err == nil {
		err = syscall.EINVAL
	}
	r.fail = func(c *exec.Cmd) error { return stepError(c, step, err) }
	return r
}

// stepError is the error of a step of a Cmd.
func stepError(c *exec.Cmd, step string, err error) error {
	e := &spawn.Error{Path: c.Path, Part: spawn.PartStart, Step: step, Index: -1, Err: err}
	if step == spawn.StepExecve {
		e.Object = c.Path
		return e
	}
	s := spawn.Spec{Path: "/", Args: argv(c), Attr: c.Attr}
	if c.Dir != "" {
		s.Actions.Chdir(c.Dir)
	}
	own := s.Actions.Len()
	s.Actions.Append(&c.Actions)
	prog, cerr := spawn.Compile(&s)
	if cerr != nil {
		return e
	}
	for _, known := range prog.Steps() {
		if known.Name != step {
			continue
		}
		e.Part, e.Index, e.Object = known.Part, known.Index, known.Object
		if e.Part == spawn.PartAction {
			e.Index = max(e.Index-own, -1)
		}
		break
	}
	return e
}
