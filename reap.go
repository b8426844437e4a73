package spawn

import "context"

// Reap reaps orphans until ctx ends, and returns ctx.Err(). Call it in a goroutine of a
// program that is the init of a container, with pid 1, or of any supervisor. A process
// becomes an orphan when its parent ends. The kernel then makes it a child of this
// process, in which nobody waits for it.
//
// If this process is not the init of its pid namespace, and not yet a child subreaper,
// Reap makes it one until ctx ends. The children of this process inherit nothing of
// this. See PR_SET_CHILD_SUBREAPER(2const).
//
// Reap never takes the status of a child that somebody in this process waits for. It
// knows such a child by its pidfd: Reap leaves every child alone that a pidfd in this
// process is about. Children of package spawn, of its package exec, of os/exec and of
// os.StartProcess have a pidfd from their first moment until they are reaped. Children
// of [syscall.ForkExec] have one if you set SysProcAttr.PidFD, and keep it open until
// you have waited. A Process of [Attach] counts, too.
//
// Nothing tells a child without a pidfd from an orphan, such as a child that a C library
// has made, or one that was released by os.Process.Release. Reap leaves it a zombie for
// a second. If somebody waits for it, by its pid, the kernel wakes them within this
// time. Whoever wants its status later must keep a pidfd. A loop around wait4(-1) needs
// no help from Reap, and takes the status of every child, this package's included: see
// [ErrStatusTaken]. Do not use one.
//
// An orphan is thus reaped one to three seconds after its end. Reap costs no thread. It
// listens to SIGCHLD by [os/signal.Notify], beside all others who do so, and looks
// through /proc when a child has ended. If Reap is called while another call is under
// way, it waits until the other is over.
//
// Without pidfds, or without a /proc of this pid namespace that shows all processes,
// the error matches [errors.ErrUnsupported]. Linux 5.4. See waitid(2).
func Reap(ctx context.Context) error {
	checkContext(ctx)
	return reapOrphans(ctx)
}
