package spawn

import "os"

// Attach returns a Process for the process with a pid, which need not be a child of this
// process. The pid may have come to another process before the call: use
// [AttachPidfd] if you have a pidfd, or compare the start time in /proc/PID/stat after
// the call.
//
// Attach opens a pidfd, and the methods of the Process use the pidfd alone. Wait, Done
// and WaitExited wait for the end without a thread. Signal and Kill never reach another
// process. Nothing is reaped: if the process is a child of this process, whoever
// started it must still wait for it. An attached child is no zombie longer than it
// would be otherwise, and [Reap] does not take its status.
//
// Wait returns the status where the kernel tells it. This is so for a child of this
// process that nobody has reaped yet. For all other processes it takes Linux 6.15, and
// the status comes when the parent has reaped the process. Wait waits up to a second
// for this moment. In all other cases the error is [ErrStatusUnknown]. The state has a
// Rusage only for a child of this process.
//
// Call [Process.Release], or wait for the end, to have the pidfd closed. It is also
// closed when the Process becomes unreachable.
//
// If no process has the pid, the error matches os.ErrProcessDone. Without pidfds, and
// without the engine, it matches errors.ErrUnsupported. Linux 5.4. See pidfd_open(2).
func Attach(pid int) (*Process, error) { return attach(pid) }

// AttachPidfd is [Attach] for the process of a pidfd, such as one that came over a
// socket, or from SysProcAttr.PidFD. The file stays yours: its flags do not change, and
// you may close it after the call.
//
// If the process has been reaped, the error matches os.ErrProcessDone. If f is not a
// pidfd, it matches syscall.EBADF. If the process is in a pid namespace that this
// process can't see into, it matches syscall.EINVAL or os.ErrProcessDone. Before Linux 6.13
// AttachPidfd needs a /proc of the pid namespace of this process; without it, the error
// matches errors.ErrUnsupported.
func AttachPidfd(f *os.File) (*Process, error) { return attachPidfd(f) }
