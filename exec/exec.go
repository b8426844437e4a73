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
	// Error is os/exec's Error: the reason why a program was not found.
	Error = osexec.Error
	// ExitError is os/exec's ExitError: a program has ended with a non-zero status,
	// or by a signal.
	ExitError = osexec.ExitError
)

// FeatureTreeCgroup is what [Features] has besides spawn.Features: Tree can make a
// control group.
const FeatureTreeCgroup spawn.FeatureName = "tree_cgroup"

var (
	// ErrDot is os/exec's ErrDot: the program was found in the current directory.
	ErrDot = osexec.ErrDot
	// ErrNotFound is os/exec's ErrNotFound: the program was not found in any
	// directory.
	ErrNotFound = osexec.ErrNotFound
	// ErrWaitDelay is os/exec's ErrWaitDelay: a stream was still open after
	// WaitDelay.
	ErrWaitDelay = osexec.ErrWaitDelay
	// ErrMaxOutput matches the error of a program that has written more than
	// [Cmd.MaxOutput].
	ErrMaxOutput = errors.New("exec: more output than MaxOutput")
	// ErrTreeNotHeld matches an error that says that no control group holds the
	// processes of a Cmd with Tree. The error also matches the reason, such as
	// [io/fs.ErrPermission]. Without cgroup version 2 it also matches
	// [errors.ErrUnsupported].
	ErrTreeNotHeld = errors.New("exec: no control group holds the tree")
)

// LookPath is os/exec's LookPath: it searches the directories of PATH for a
// program.
func LookPath(file string) (string, error) { return osexec.LookPath(file) }

// Cmd is a program to be run, or a running program. Use a Cmd once. Do not change
// it from several goroutines at once, nor between Start and Wait.
type Cmd struct {
	// Path is the program file. It is the only field that you must set. A relative
	// path is resolved in Dir.
	Path string
	// Args is the argument vector, including the program's name. If Args is empty,
	// it is Path alone.
	Args []string
	// Env is the environment, as "key=value". If a key occurs several times, its
	// last entry counts. If Env is nil, the program gets this process's
	// environment, with PWD if Dir is set. On Windows a missing SYSTEMROOT is
	// added.
	Env []string
	// Dir is the working directory of the program. If Dir is empty, it is this
	// process's working directory.
	Dir string

	// Stdin is the standard input.
	//
	// If Stdin is nil, it is the null device, open for reading.
	//
	// If Stdin is an *os.File, the child has the file itself. The file becomes
	// blocking in this process, too, as with os/exec. You may close it after Start.
	//
	// From any other reader a goroutine copies to a pipe. Wait waits for the
	// goroutine: it ends at the end of the input, at an error of the reader or of
	// the pipe, or after WaitDelay.
	Stdin io.Reader
	// Stdout and Stderr are the standard output and the standard error.
	//
	// If one is nil, it is the null device, open for writing.
	//
	// If one is an *os.File, the child has the file itself. The file becomes
	// blocking in this process, too. You may close it after Start.
	//
	// To any other writer the output is copied from a pipe. Wait waits for the end
	// of the pipe, or for WaitDelay. If both are the same writer, at most one
	// goroutine at a time calls Write.
	Stdout, Stderr io.Writer
	// ExtraFiles are the descriptors 3 and up of the program: entry i is descriptor
	// 3+i. A nil entry leaves its number closed. The files become blocking, and
	// stay yours to close. Windows does not support ExtraFiles.
	ExtraFiles []*os.File

	// SysProcAttr holds the attributes of package syscall. All of them work as with
	// os/exec. A newer Go may have fields that this version does not know. If such
	// a field is set, Start returns an error that matches [errors.ErrUnsupported].
	SysProcAttr *syscall.SysProcAttr

	// Process is the process. Start sets it.
	Process *os.Process
	// ProcessState says how the process ended. Wait sets it.
	ProcessState *os.ProcessState

	// Err is the reason why Command did not find the program. Start returns it. If
	// Err is ErrDot and you want to run the program all the same, set Err to nil.
	Err error

	// Cancel is called when the context ends before Wait has seen the end of the
	// process. Cancel needs CommandContext, which sets it to Kill. If you set it to
	// nil, nothing happens when the context ends, until WaitDelay is over.
	//
	// The result of Cancel matters if nothing else has gone wrong. If it is nil,
	// and the process succeeds all the same, Wait returns the context's error. If
	// it is [os.ErrProcessDone], the process had ended already, and Wait returns
	// nil. Wait wraps and returns any other error.
	Cancel func() error
	// WaitDelay bounds the waiting in Wait. Zero means no bound. The delay begins
	// when the context ends or when the process ends, whichever is first. When the
	// delay is over, a process that still runs is killed. Pipes that are still open
	// are closed, after their contents so far have been copied. Without the engine,
	// what this process has not read by then is lost, as with os/exec. If there is no
	// other error, Wait then returns ErrWaitDelay.
	//
	// After the delay Wait does not wait for a Read of your Stdin. It waits at most one
	// second for your Stdout and Stderr to take the contents. With os/exec Wait waits for
	// both without bound. So if Wait returns after the delay, your reader or writer may
	// still be in a call, and a writer may not have got everything: guard it by a lock if
	// you use it afterwards.
	WaitDelay time.Duration

	// Stop has the steps by which the process ends when the context ends, such as
	// spawn.Graceful(time.Second). They take the place of Cancel, which is not called.
	// With Tree, the signals go to the whole tree, and the next step comes only if
	// something of the tree is left. Nil means that Cancel is called. See
	// [spawn.StopStep].
	//
	// WaitDelay then begins when the steps are over. If Stop has ended the process, the
	// error of Wait matches the context's error, and errors.As finds an *[ExitError] in
	// it. If a process is still alive after the last step, Wait goes on waiting, as it
	// does after a Cancel that fails. [Cmd.Shutdown] takes the steps at any time.
	//
	// The steps begin when Start has returned. If the context ends before, the process is
	// killed, and Start returns the context's error.
	Stop []spawn.StopStep
	// Actions are performed in the child after the standard streams and ExtraFiles
	// are in their places. The zero value does nothing.
	//
	// Any Unix, but for the actions that package spawn needs its engine for. On
	// Windows only the descriptors 0, 1 and 2 can be the target of an action. The
	// error of anything else matches [errors.ErrUnsupported].
	Actions spawn.FileActions
	// Attr holds attributes in addition to those of SysProcAttr. The two must not
	// contradict each other. Nil means none. The comment of an attribute says where
	// it works. Elsewhere the error of Start matches [errors.ErrUnsupported]. Of
	// [attr.Optional] see [Cmd.Applied].
	Attr attr.List
	// Logger gets a debug line when the process starts and when it ends. Nil means
	// no log.
	Logger spawn.Logger
	// Observer is told when the process has started and when it has ended. It is told
	// before Start returns, and before Wait returns. Nobody is told of the end without
	// Wait. Nor is anybody told of a Start that has no process to make, because Command
	// did not find the program, or because the context has ended before. Nil means
	// nobody is told.
	Observer spawn.Observer
	// Limiter bounds how many processes there are at once. Start waits for a place, or
	// for the end of the context. Wait gives the place back. Nil means no bound.
	Limiter *spawn.Limiter
	// Tree makes the Cmd responsible for the descendants of the child, too.
	//
	// The child leads a process group. If possible, it also lives in a control
	// group of its own, and all of its descendants with it. Without a control
	// group, a process escapes if it leaves the process group, by setsid or
	// setpgid. TreeHolds says whether there is a control group.
	//
	// The end of the context and Kill end the whole tree, even if the child itself
	// has ended before. Wait returns soon after. It closes the pipes when the child
	// has ended and, in addition, the context has ended or WaitDelay is over. If
	// the context has ended, the error of Wait matches the context's error, and
	// errors.As finds an *[ExitError] in it. When Wait has nothing left to wait
	// for, it kills the rest of the tree.
	//
	// If this process ends without Wait, its trees live on. The next process in the
	// same control group ends them when it starts a tree.
	//
	// On Windows a job holds the tree. No descendant escapes, and the tree ends when
	// this process ends. On other systems than Linux and Windows the process group
	// holds it. docs/platforms.md says what is different there.
	//
	// If this process has a controlling terminal, a child in a control group leads
	// no process group, unless SysProcAttr asks for one. The child may read the
	// terminal whenever this process may, and gets its signals. A child without a
	// control group is put into the foreground of the terminal from Start to Wait,
	// if the terminal is its Stdin and this process is in the foreground. Any other child
	// without a control group is in the background, and is put into the foreground when it
	// reads or sets the terminal. In the foreground the interrupt key interrupts the child
	// alone, and the suspend key stops both.
	Tree bool
	// TreeStrict is Tree, but Start fails if no control group, or on Windows no job,
	// can be made. The error matches [ErrTreeNotHeld] and the reason.
	TreeStrict bool
	// MaxOutput is the largest number of bytes that Output and CombinedOutput
	// return, and that are written to Stdout and to Stderr if these are no files: to each
	// of them, or to both together if they are the same writer. The standard error that
	// Output keeps does not count. Zero or less means no limit. A program that writes more is
	// killed as at the end of a context, and the error matches [ErrMaxOutput].
	MaxOutput int
	// ListenFDs are sockets that the program finds by LISTEN_FDS, LISTEN_FDNAMES and
	// LISTEN_PID, as a service of systemd does. They are the descriptors 3 and up, and
	// ExtraFiles come after them. Linux with the engine; elsewhere the error of Start
	// matches [errors.ErrUnsupported].
	ListenFDs ListenFDs
	// DirFile is the working directory of the program as an open directory, in place of
	// Dir: it is the directory itself, whatever is at its path by then. The variable PWD
	// stays as it is. Nil means Dir. Linux; elsewhere the error of Start matches
	// [errors.ErrUnsupported].
	DirFile *os.File
	// BufferPipes lets you call Wait at any time beside the readers of StdoutPipe and
	// StderrPipe: Wait waits until all output is in the memory of this process, or
	// up to WaitDelay, and you still read all of it afterwards. Until somebody is in
	// Wait, a pipe holds about 64 KiB; from then on it holds all that the program writes.
	// Set BufferPipes before you call StdoutPipe. The pipe is then no *os.File.
	BufferPipes bool
	// PTY makes a new terminal for the program: its standard streams as far as Stdin,
	// Stdout and Stderr are nil, and its controlling terminal. The program leads a session.
	// [Cmd.Terminal] is the other end. The terminal has its size before the program begins.
	// Nothing that asks for another session, process group or terminal goes with PTY.
	// Nil means no terminal.
	//
	// The terminal echoes, and cooks lines, as any new one. It is opened by number
	// (TIOCGPTPEER), and before Linux 4.13 by its name in /dev/pts. Linux with the engine;
	// elsewhere the error of Start matches [errors.ErrUnsupported]. See pty(7).
	PTY *PTY
	// InheritAll lets the child have every descriptor of this process that is not
	// close-on-exec, as os/exec does.
	InheritAll bool
	// ContextError has the error of Wait say why the context has ended the process, and how
	// it ended: the error matches the context's error and [context.Cause], and errors.As
	// finds an *[ExitError] in it. By default it is the *ExitError alone, as with os/exec.
	// With Tree and with Stop the error always says both.
	ContextError bool
	// NoReap leaves the process to other code that waits for it by its pid, if the Cmd
	// and Process become unreachable without Wait. The process is then a zombie from its
	// end until somebody reaps it, as with os/exec. By default it is reaped in the
	// background. Whoever calls Process.Release or sets SysProcAttr.PidFD asks for the same
	// as NoReap. Without the engine, and with a Go whose package os this version does not know, NoReap is
	// always set.
	NoReap bool

	ctx       context.Context
	started   int32 // 1 once Start was called; atomic
	createdBy []byte
	//lint:ignore U1000 there is something in it on Windows
	extension extensionCache
	fake      *fake // nil without a Runner
	child     child
	streams   streams
	terminal  *Terminal      // of PTY
	tty       *os.File       // its other end
	seen      *seen          // nil without Observer
	place     *spawn.Limiter // nil where there is none to be given back
	ended     <-chan ending  // from the watcher of ctx
	unwatch   func() bool
	tree      *tree
	joined    bool  // it is in the tree of a Pipeline
	cut       int32 // 1 if the output was more than MaxOutput; atomic
	waits     waits
}

// Command returns a Cmd that runs a program with the given arguments. It looks up a
// name without a directory in PATH. If the look-up fails, it sets Err, and Start
// returns the error.
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

// CommandContext is like [Command], but the end of the context kills the process,
// and with Tree its descendants. Set Cancel and WaitDelay to do something else. The
// context also bounds Start: a child that hangs on its way to the program is killed
// when the context ends. A nil context panics.
func CommandContext(ctx context.Context, name string, arg ...string) *Cmd {
	if ctx == nil {
		panic("nil Context")
	}
	if f := fakeOf(ctx); f != nil {
		return f.command(ctx, name, arg)
	}
	c := Command(name, arg...)
	c.ctx = ctx
	c.Cancel = c.Kill
	return c
}

// String returns the program and its arguments, for people to read.
func (c *Cmd) String() string {
	if c.Err != nil {
		return strings.Join(c.Args, " ")
	}
	if len(c.Args) < 2 {
		return c.Path
	}
	return c.Path + " " + strings.Join(c.Args[1:], " ")
}

// Kill kills the process and, with Tree, its descendants. If there is nothing to
// kill, it returns [os.ErrProcessDone].
func (c *Cmd) Kill() error {
	if c.Process == nil {
		return errNotStarted()
	}
	if c.tree != nil {
		return c.tree.kill()
	}
	return c.signal(os.Kill)
}

// TreeHolds says what keeps the tree together. Call it after Start with Tree.
//
// A nil error means that a control group of its own holds the tree. All descendants
// of the child are in the group. Only a process that may write to another group,
// such as one of root, can move one out.
//
// An error matches [ErrTreeNotHeld]. It means that only the process group holds the
// tree, and says why. After Wait the error may also be about processes that could
// not be killed, or about a directory below the group that could not be removed.
func (c *Cmd) TreeHolds() error {
	switch {
	case c.Process == nil:
		return errNotStarted()
	case c.fake != nil && c.keeps():
		return nil
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
