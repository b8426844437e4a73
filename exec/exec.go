package exec

import (
	"context"
	"errors"
	"io"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
)

type (
	// Error is os/exec's: a program that could not be looked up.
	Error = osexec.Error
	// ExitError is os/exec's: a program that ended with a status other than 0.
	ExitError = osexec.ExitError
)

var (
	// ErrDot is os/exec's: the program was found in the current directory.
	ErrDot = osexec.ErrDot
	// ErrNotFound is os/exec's: the program was found in no directory.
	ErrNotFound = osexec.ErrNotFound
	// ErrWaitDelay is os/exec's: streams were still open after WaitDelay.
	ErrWaitDelay = osexec.ErrWaitDelay
	// ErrMaxOutput is what an error matches when the program wrote more than
	// [Cmd.MaxOutput].
	ErrMaxOutput = errors.New("exec: more output than MaxOutput")
	// ErrTreeNotHeld is what an error matches when no control group holds the
	// processes of a Cmd with Tree. It also matches the reason, such as
	// [io/fs.ErrPermission], and [errors.ErrUnsupported] where there is no cgroup
	// version 2.
	ErrTreeNotHeld = errors.New("exec: no control group holds the tree")
)

// LookPath is os/exec's: it looks for a program in the directories of PATH.
func LookPath(file string) (string, error) { return osexec.LookPath(file) }

// Cmd is a program to be run, or that runs. It can be used once. A Cmd must not
// be changed by several goroutines at once, nor between Start and Wait.
type Cmd struct {
	// Path is the program file, the only field that must be set. A relative one
	// is resolved in Dir.
	Path string
	// Args is the argument vector, the program's name included. Empty means Path
	// alone.
	Args []string
	// Env is the environment, as "key=value"; of several entries for a key the
	// last counts. Nil means this process's environment, and PWD if Dir is set.
	// On Windows SYSTEMROOT is added where it is missing.
	Env []string
	// Dir is the working directory of the program. Empty means this process's.
	Dir string

	// Stdin is the standard input. Nil means the null device, for reading only. The
	// child has an *os.File itself, which is made blocking, as by os/exec; from any
	// other reader a goroutine copies to a pipe, and Wait waits for the copying to
	// end: at the end of the input, at a failure to write, or after WaitDelay.
	Stdin io.Reader
	// Stdout and Stderr are the standard output and error. Nil means the null
	// device, for writing only. The child has an *os.File itself, which is made
	// blocking; to any other writer the output is copied from a pipe, and Wait waits
	// for the pipe's end. Where both are the same writer, one goroutine at a time
	// calls Write.
	Stdout, Stderr io.Writer
	// ExtraFiles are descriptors 3 and up of the program, and are made blocking; a nil
	// entry leaves its number closed. It is not supported on Windows.
	ExtraFiles []*os.File

	// SysProcAttr is attributes that depend on the system. All of them work here
	// as with os/exec. A field that is set and that this version does not know, as
	// a newer Go may have it, is an error that matches [errors.ErrUnsupported].
	SysProcAttr *syscall.SysProcAttr

	// Process is the process, once started.
	Process *os.Process
	// ProcessState is how the process ended; Wait sets it.
	ProcessState *os.ProcessState

	// Err is why the program was not found; Start returns it. It may be set to
	// nil to run a program for which it is ErrDot.
	Err error

	// Cancel is called when the context ends before Wait has seen the end of the
	// process. It needs CommandContext, which sets it to kill. If it returns nil
	// and the process is successful all the same, Wait returns the context's
	// error; [os.ErrProcessDone] says that the process had ended, and any other
	// error is wrapped and returned by Wait if nothing else went wrong.
	Cancel func() error
	// WaitDelay bounds what Wait waits for: the end of the process once the
	// context has ended, and of the pipes once either has. The process is killed
	// then, the pipes are closed when what is in them by then has been copied, and
	// the error is ErrWaitDelay if there is no other. Zero means no bound.
	WaitDelay time.Duration

	// Actions is done after the standard streams and ExtraFiles are in place. The
	// zero value is nothing.
	Actions spawn.FileActions
	// Attr is attributes besides those of SysProcAttr, which it must not
	// contradict.
	Attr attr.List
	// Logger, where not nil, gets a debug line when the process starts and when
	// it ends.
	Logger spawn.Logger
	// Tree makes the Cmd responsible for the processes that the child makes, too.
	// The child lives in a control group of its own, where one can be made, and
	// leads a process group. TreeHolds says whether it has the former: a process
	// that has left the process group, by setsid or setpgid, escapes without.
	//
	// The end of the context and Kill take all of them, also when the child has
	// ended before. Wait returns soon after: when the child has ended and the
	// context has, or WaitDelay is over, the pipes are closed. Its error then
	// matches the context's and is an *[ExitError] to errors.As. What is left of
	// the tree when Wait has nothing to wait for any more is killed.
	//
	// When this process has ended without Wait, its trees live on until the next
	// process in the same control group starts one: that ends them.
	//
	// In a process with a controlling terminal a child in a control group leads no
	// process group, unless SysProcAttr says so: it may read the terminal whenever
	// this process may, and gets its signals. Without a control group, a child whose
	// Stdin is the terminal is put into its foreground, from start to Wait, where this
	// process was there: the keyboard then interrupts the child alone, and stops
	// both. Any other is in the background, and stopped when it reads the terminal.
	// Linux.
	Tree bool
	// TreeStrict is Tree, but that Start fails where no control group can be made;
	// the error matches [ErrTreeNotHeld], and why.
	TreeStrict bool
	// MaxOutput is how many bytes Output and CombinedOutput return at most; 0
	// means any number. When there are more, the process is killed as at the end
	// of a context, and the error matches [ErrMaxOutput].
	MaxOutput int
	// InheritAll lets the child have every descriptor that is not close-on-exec.
	InheritAll bool

	ctx       context.Context
	started   int32 // 1 once Start was called; atomic
	createdBy []byte
	//lint:ignore U1000 there is something in it on Windows
	extension extensionCache
	child     child
	streams   streams
	ended     <-chan ending // from the watcher of ctx
	unwatch   func() bool
	tree      *tree
	cut       bool // the output was more than MaxOutput
}

// Command makes a Cmd that runs a program with arguments. A name without a
// directory is looked up in PATH; where that fails, Err is set.
func Command(name string, arg ...string) *Cmd {
	c := &Cmd{Path: name, Args: append([]string{name}, arg...)}
	c.watchLeak()
	if filepath.Base(name) != name {
		c.findExtension(name)
		return c
	}
	path, err := LookPath(name)
	if path != "" {
		c.Path = path
	}
	c.Err = err
	return c
}

// CommandContext is Command with a context, whose end kills the process. It can
// be made to do something else by setting Cancel and WaitDelay.
func CommandContext(ctx context.Context, name string, arg ...string) *Cmd {
	if ctx == nil {
		panic("nil Context")
	}
	c := Command(name, arg...)
	c.ctx = ctx
	c.Cancel = c.Kill
	return c
}

// String is the program and its arguments, to be read by people.
func (c *Cmd) String() string {
	if c.Err != nil {
		return strings.Join(c.Args, " ")
	}
	if len(c.Args) < 2 {
		return c.Path
	}
	return c.Path + " " + strings.Join(c.Args[1:], " ")
}

// Kill kills the process and, with Tree, all that it has made. It returns
// [os.ErrProcessDone] when there is nothing to kill.
func (c *Cmd) Kill() error {
	if c.Process == nil {
		return errors.New("exec: not started")
	}
	if c.tree != nil {
		return c.tree.kill()
	}
	return c.Process.Kill()
}

// TreeHolds says, after Start with Tree, what keeps the tree together. Nil means a
// control group of its own: whatever the child makes is in it, unless it is moved
// by a process that may write to another group, as root may. An error, which
// matches [ErrTreeNotHeld], means the process group alone, and says why; after Wait
// it may also be about processes that could not be killed, or a directory below
// the group that could not be removed.
func (c *Cmd) TreeHolds() error {
	switch {
	case c.Process == nil:
		return errors.New("exec: not started")
	case c.tree == nil:
		return errors.New("exec: Tree is not set")
	}
	return c.tree.holds()
}

// keeps reports whether Tree or TreeStrict is set.
func (c *Cmd) keeps() bool { return c.Tree || c.TreeStrict }

// argv is the argument vector.
func (c *Cmd) argv() []string {
	if len(c.Args) == 0 {
		return []string{c.Path}
	}
	return c.Args
}
