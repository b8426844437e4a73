// Package exec runs programs as os/exec does, on the engine of package spawn: an
// import path is all that a program has to change.
//
//	import "github.com/safespawn/spawn/exec" // was "os/exec"
//
// It has every name of os/exec. [Error], [ExitError], [ErrDot], [ErrNotFound],
// [ErrWaitDelay] and [LookPath] are those of os/exec, so errors.Is and errors.As
// in existing code go on working, and [Cmd.Process] and [Cmd.ProcessState] are
// those of package os.
//
// # The one difference
//
// The child has its standard streams, [Cmd.ExtraFiles], what [Cmd.Actions] adds,
// and no other descriptor. With os/exec it also has every descriptor of this
// process that isn't close-on-exec, whoever forgot about it. [Cmd.InheritAll]
// restores that.
//
// # What is better
//
// Starting a program neither copies page tables nor takes a lock that other
// starts wait for. A program that was written and closed just before it is run is
// never "text file busy". Waiting holds no thread. A failure says which step
// failed: the *fs.PathError with the operation "fork/exec" wraps a *[spawn.Error],
// unless it is the program file or Dir that can't be used. Then it has a bare errno,
// as with os/exec.
// A parent-death signal is about this process, not about one of its threads.
//
// # What stays open
//
// This process keeps the null device open, for reading and for writing, each from
// the first nil stream of its kind on: two descriptors at most, from 3 up and
// close-on-exec. A child has one pidfd here, that of [Cmd.Process]; while somebody
// waits for a child that lives long, there is an epoll instance for all of them.
// For those of package spawn see there.
//
// # What is new
//
// The fields [Cmd.Actions], [Cmd.Attr], [Cmd.Logger], [Cmd.Tree], [Cmd.TreeStrict],
// [Cmd.MaxOutput] and [Cmd.InheritAll] do nothing while they are zero. With Tree the
// end of the context takes the processes that the child has made, too, and
// [Cmd.Wait] does not wait for them beyond that; [Cmd.TreeHolds] says whether some
// may escape.
//
// # Platforms
//
// The engine runs on linux/amd64 and linux/arm64. Elsewhere, and with the build
// tag spawn_forkexec, os.StartProcess makes the children: all that os/exec has
// works as there, and a field of this package's own that is set is an error that
// matches [errors.ErrUnsupported], but for Logger, MaxOutput and InheritAll.
package exec
