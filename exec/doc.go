// Package exec runs programs as os/exec does, on the engine of package spawn. To
// use it, change the import path:
//
//	import "github.com/safespawn/spawn/exec" // was "os/exec"
//
// The package has every name of os/exec. [Error], [ExitError], [ErrDot],
// [ErrNotFound] and [ErrWaitDelay] are os/exec's own values and types, so your
// errors.Is and errors.As go on working. [LookPath] is os/exec's function.
// [Cmd.Process] and [Cmd.ProcessState] are those of package os.
//
// # The differences
//
// The child has its standard streams, [Cmd.ExtraFiles], and the descriptors that
// [Cmd.Actions] adds. It has no other descriptor. With os/exec the child also has
// every descriptor of this process without the close-on-exec flag, even one that
// somebody forgot. [Cmd.InheritAll] restores os/exec's way.
//
// A child that is forgotten without Wait is reaped when it ends. With os/exec it stays a
// zombie, for whoever knows its pid. [Cmd.NoReap] restores os/exec's way.
//
// A second [Cmd.Wait] returns the result of the first. With os/exec it is an error.
//
// After [Cmd.WaitDelay], Wait does not wait for a reader or a writer of yours that does not
// return.
//
// # What is better
//
// A start copies no page tables, and takes no lock that other starts wait for. If
// you write a program file, close it and run it at once, it is never "text file
// busy". Waiting holds no thread. A parent-death signal is about this process, and
// not about one of its threads.
//
// An error says which step failed: the *fs.PathError with the operation "fork/exec"
// wraps a *[spawn.Error]. Its Index counts in Cmd.Actions and Cmd.Attr, and is -1 for
// Dir, the files and SysProcAttr. There is one exception. If the program file or Dir can't
// be used, the *fs.PathError has a bare errno, as with os/exec.
//
// # Waiting
//
// [Cmd.Wait] may be called any number of times, from any goroutine, and the result is
// always the same; [Cmd.Done] and [Cmd.WaitContext] wait for it, too. If somebody else has
// reaped the child, or SIGCHLD is ignored, Wait finds the status from Linux 6.15 on. Before,
// the error matches [spawn.ErrStatusTaken].
//
// # What stays open
//
// This process keeps the null device open, once for reading and once for writing.
// Each is opened when a stream of its kind is nil for the first time. Package spawn
// keeps up to 13 more for the files that it passes, and documents them. All are
// numbered from 3 up and close-on-exec.
//
// Each child has one pidfd in this process, which belongs to [Cmd.Process]. [Cmd.Spawned]
// uses the same. While a goroutine waits for a long-lived child, there is one epoll
// instance for all such children.
//
// # What is new
//
// [Cmd.Lines] ranges over the lines of a program, and [NewCapture] keeps a bounded part of
// an output. [Cmd.BufferPipes] lets you read a pipe after Wait.
//
// The fields of [Cmd] from Stop on are new. Their zero values do nothing. With
// [Cmd.Tree] the end of the context also ends the processes that the child has made, and
// [Cmd.Wait] does not wait for them any longer. [Cmd.TreeHolds] says whether some
// of these processes may escape.
//
// [Pipe] runs several programs as a pipeline, with the status of each. [WithRunner] lets
// tests answer for programs, by package exectest.
//
// # Platforms
//
// The engine runs on linux/amd64, linux/arm64, linux/386, linux/arm, linux/riscv64, linux/loong64, linux/ppc64le and linux/s390x. Elsewhere, and with the build tag
// spawn_forkexec, os.StartProcess makes the children. Everything that os/exec has
// then works as it does there. The new fields work, too, as far as their comments say.
// For the rest the error matches [errors.ErrUnsupported].
//
// A Cmd with Actions or Attr has only the descriptors that package spawn would give the
// child. Any other Cmd has those that it has with os/exec.
package exec
