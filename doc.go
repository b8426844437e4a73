// Package spawn starts processes as posix_spawn(3) does: ordered file actions and
// a set of attributes say what happens in the child before its program begins.
//
// On Linux the child shares the parent's memory while it gets ready (clone3 with
// CLONE_VM and CLONE_VFORK). It runs no Go code, only a short assembly loop that
// performs a list of system calls that the parent has prepared, the last of which
// is execve. Elsewhere the same API works over os.StartProcess.
//
// # Use
//
// Fill in a [Spec], then call [Run], or [Start] and [Process.Wait]:
//
//	s := &spawn.Spec{
//		Path: "/usr/bin/sort",
//		Args: []string{"sort", "-u"},
//		Attr: attr.List{attr.Umask(0o027), attr.Nice(5)},
//	}
//	s.Actions.Open(0, "in.txt", os.O_RDONLY, 0)
//	s.Actions.Open(1, "out.txt", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
//	state, err := spawn.Run(ctx, s)
//
// The path is a file's: there is no search in PATH (see exec.LookPath), and no
// shell. What is started often is better compiled once, by [Compile], and then
// started with [Program.Start]. A Program is immutable and may be started from
// any number of goroutines at once; its environment is that of the time of
// Compile, and the files that it names must stay open for as long as it is used.
//
// # File actions and descriptors
//
// The child has those of the parent's descriptors 0, 1 and 2 that are open and not
// close-on-exec, and what the actions of [FileActions] put in place, and nothing
// else, whatever close-on-exec flags the parent's descriptors carry.
// [FileActions.Inherit] adds one descriptor, [FileActions.InheritAll] all that fork
// and exec would leave open. All that the package opens for itself has numbers from
// 3 up and is close-on-exec, also where the parent has closed 0, 1 or 2.
//
// The actions are performed in the order of the calls. A descriptor given as a
// number is the child's at that point, as in posix_spawn; an *os.File is always
// the parent's file, whatever has become of its number meanwhile. So files can
// take any numbers in any order, swapped or with gaps. Paths are resolved in the
// child: in its working directory at that point, inside its root directory, with
// its credentials and its umask.
//
// A file that is passed keeps its flags, offset and deadlines. The parent's copy
// stays the caller's, to be closed once Start has returned. Package os makes the ends
// of pipes non-blocking, which programs don't expect: the child gets them opened
// anew, blocking, as [FileActions.File] says.
//
// # Attributes
//
// [attr.List] in Spec.Attr holds the attributes, in any order. What is not listed
// is inherited, with three exceptions, which the parent's own needs would falsify:
//
//   - Signals have their default actions, also those that the parent ignores;
//     see attr.InheritIgnored and attr.SigIgnore.
//   - The limit of open files is the one that this process was started with: Go
//     raises the soft limit for itself. It is left as it is where somebody has
//     changed it since; see attr.NoFile.
//   - The signal mask is that of the calling thread, which in Go is the one that
//     the process was started with; see attr.SigMask.
//
// An attribute given twice, or two that contradict each other, are errors of
// Compile.
//
// # The order of the child's steps
//
// The order is fixed, whatever that of the lists. Each line says what happens and
// why not later, or not earlier; what a Spec doesn't ask for is left out.
//
//  1. A file table of its own, with only what is needed. Until then, to
//     change a descriptor would be to change the parent's.
//  2. Signal dispositions: InheritIgnored, SigDefault, SigIgnore. No signal is
//     let through before the mask is set.
//  3. Setsid, or Setpgid and then Foreground. Only the leader of a session
//     gets a controlling terminal, and Tcsetpgrp is about the new group.
//  4. Joining a cgroup, where the child can't be made in it. It limits the
//     CPUs, is the root of a new cgroup namespace, and takes the parent's
//     privilege.
//  5. OOMScoreAdj, CoredumpFilter, SELinuxContext, AppArmorProfile. Their files
//     are in /proc, which another root directory may lack, and belong to root
//     once the ids have changed.
//  6. Limits that are raised. RLIMIT_NICE and RLIMIT_RTPRIO stand in for
//     privilege further down.
//  7. CPUAffinity. SchedDeadline takes only who may run on all CPUs.
//  8. SchedPolicy, Nice, NUMAPolicy, IOPrio, CoreSched. Other namespaces and
//     credentials take the privilege away.
//  9. The dumpable flag is cleared, and again after the steps that may set it.
//     From the next step on others may reach the child who may not reach its
//     parent, whose memory it shares.
//  10. JoinNamespace. In a user namespace of its own, which is made next, the
//     child has no rights to others.
//  11. Unshare with its IDMap; its mounts are made private. What is mounted
//     and named from here on is the child's own.
//  12. Mounts. Their sources may be out of reach from the new root.
//  13. PivotRoot or Chroot; Hostname, Domainname. Other credentials take the
//     privilege away.
//  14. The bounding set; what is permitted is to be kept over the change of
//     ids. That change takes away CAP_SETPCAP, and what is not to be kept.
//  15. Groups, gid, uid. The uid is the last, as it takes the privilege for
//     all three away.
//  16. Ambient capabilities. The change of uid clears them.
//  17. SecureBits. They may forbid ambient capabilities, and need CAP_SETPCAP,
//     which goes next.
//  18. What is left of the capability sets. File actions can do no more than
//     the program.
//  19. ParentDeathSignal, SessionKeyring. The change of ids clears the signal,
//     and says whose keyring it is.
//  20. Umask. Files that the actions make get it.
//  21. File actions, in the order of the calls. They have the root, the
//     credentials and the umask of the program.
//  22. DetachTTY, then ControllingTTY or ControllingFD. Descriptors are in
//     their places, and the terminal's own is still open.
//  23. Closing what is not the program's; with Landlock, after that. From here
//     on no descriptor is needed but the ruleset.
//  24. Limits that are lowered, NoFile among them; TimerSlack, Personality,
//     ChildSubreaper, MemoryDenyWriteExec, NoHugePages, MergePages.
//     RLIMIT_NOFILE would hinder the file actions, and RLIMIT_NPROC before the
//     uid makes execve fail.
//  25. NoNewPrivs. Without privilege, Landlock and Seccomp need it.
//  26. Landlock. The last path but the program's has been opened.
//  27. Ptrace, StartSuspended. The filter may forbid it.
//  28. The signal mask; a traced child gets it after execve, from this process.
//     SIGTTOU would stop a Tcsetpgrp from the background, and the filter may
//     forbid this call, too.
//  29. Seccomp. The filter may forbid all but execve.
//  30. execve. Then the program runs.
//
// With attr.Cgroup the child is in the cgroup before the first step, and with
// attr.Namespaces in the namespaces. With an attr.IDMap for these it waits
// before the first step until this process has written the maps, or newuidmap and
// newgidmap have; its file table is then a copy from the start. Until the mask is
// set all signals are blocked, so SIGTTOU can't stop a child in
// [FileActions.Tcsetpgrp]. Where a line has several attributes, their order is that
// of the list. [Program.Steps] shows the system calls of a program one by one, and
// so does the command: spawn --explain. docs/attributes.md has a table of all
// attributes, and of those that exclude each other.
//
// # The child's contract
//
// Between clone and execve the child calls no function and returns from none,
// touches no stack, allocates nothing, takes no lock, handles no signal, and
// writes to memory nothing but its result. Package internal/raw has the details
// and the tests. For the parent this means:
//
//   - Its memory is neither copied nor changed: the cost of a spawn does not
//     depend on the size of the heap, and no memory is reserved for a copy. The
//     exceptions are attr.CoredumpFilter, attr.MemoryDenyWriteExec,
//     attr.NoHugePages and attr.MergePages, which belong to the memory, and
//     attr.Cgroup where the kernel might end this process with the child when
//     memory runs out: such a child gets a copy, as fork makes it.
//   - Its descriptors are not copied: the child shares the table until its first
//     step, which keeps the low ones only. The cost does not depend on how many
//     files are open. Files with numbers from 64 on are put on low ones for the
//     time of the start, so they don't make the copy a long one; for that the
//     library keeps 13 descriptors, open on /dev/null for its path only, from the
//     first start that passes a file. Where there were no low numbers left by
//     then, or more such files at once, the copy is a long one.
//   - Nothing waits for the child but the calling goroutine and its thread. The
//     scheduler and the garbage collector go on, however long the child takes.
//     Where its steps may take long (paths that are opened or entered, mounts, id
//     maps, a cgroup, FileActions.InheritAll), signals reach the thread meanwhile,
//     and so does what concerns every thread of the process: syscall.Setgroups,
//     syscall.AllThreadsSyscall, a debugger. Elsewhere the thread sleeps in clone,
//     for the microseconds until execve; that is cheaper by about 4 µs.
//   - It holds no lock meanwhile. syscall.ForkLock is taken for
//     FileActions.InheritAll, and for a child with a copy of the memory, until the
//     child is made. Other starts do not wait for whoever holds it: their children
//     get no descriptor that was not named.
//   - Its signal mask, dispositions, working directory, umask, limits and ids are
//     never changed. Its dumpable flag is cleared while a child that others may
//     reach shares its memory, and restored when the last such child is past
//     execve; see [SetDumpable] and docs/security.md.
//
// # Errors
//
// A failure to start is an [*Error]: it says which [Part] of the start failed (an
// argument, a file action, an attribute), at which index and in which step, names the
// object, and wraps the system's error number.
//
//	spawn /usr/bin/sort: open in.txt: no such file or directory
//
// So errors.Is(err, fs.ErrNotExist) holds, and errors.As says whether it was the
// program that is missing, an input file, or the interpreter of a script. The
// child has been reaped by then. Bad input is found before there is a child and
// wraps syscall.EINVAL; arguments that are too long wrap syscall.E2BIG. Errors
// that wrap [errors.ErrUnsupported] say what is missing, and from which kernel on
// it is there; an errno that is about a file, a cgroup or a filter, and not about the
// kernel, does not match it. The error of a context is returned as it is.
//
// What an errno does not tell is looked for after the failure, and is in the error's
// Hint: which of a chain of interpreters is missing, and who named it; the directory
// that the child's ids are not let through; a file system that is mounted noexec; the
// capability that a step takes, as docs/attributes.md has it, where it is missing; and
// which limit is reached, of processes or of namespaces, and of which cgroup.
//
//	spawn /srv/job: execve /opt/python: no such file or directory (interpreter of /srv/job; there is no /opt)
//
// Nothing is said where the child's root, mounts or working directory are others than
// this process's, and nothing is quoted that the child could not have read.
//
// execve is tried again, for about 0.15 s, while the program is open for writing
// ("text file busy"): in a program with many goroutines that is mostly a child
// made at the same time, which holds a copy of the descriptor for microseconds.
//
// # Waiting
//
// [Process.Wait] may be called any number of times, from any goroutines, and
// always gives the same result. [Process.Done] is a channel for select, and
// [Process.WaitExited] leaves the child for somebody else to reap. Waiting costs
// a goroutine and no thread: it parks on the child's pidfd, after looking for the
// end in a loop for up to 100 µs, less where the processor is wanted by others.
// At most 16 goroutines do so at a time. docs/performance.md has the numbers.
//
// [Process.Release] leaves a child to be reaped in the background, and so is one
// whose Process is garbage. No signal is ever sent to a pid that was reaped.
// [ErrStatusTaken] is the result where another waiter took the status, such as a
// loop around wait4(-1), unless the kernel has pidfd_info.
//
// # Cancellation
//
// The context of [Start] bounds the start alone: when it ends while the child is
// on its way to execve, held up by a FIFO, a dead file server or a frozen cgroup,
// the child is killed and reaped. A child that has started is not touched. The
// context of Run bounds its life: when it ends, the child is killed with SIGKILL
// and reaped. That of Wait bounds the waiting alone. In each case the error is
// the context's.
//
// # Kernel features and fallbacks
//
// Any kernel that Go supports will do. [Features] tells what this one gives,
// found by doing: a call that a container's seccomp filter refuses, or kills for,
// counts as missing. Where a filter comes later and refuses, the start that finds out
// is made again in the way that is left, and a Program is made ready again.
//
//	feature        Linux  without it
//	clone3         5.5    clone; signal handlers are reset one by one; no time namespaces
//	cgroup         5.7    the child moves itself to its cgroup, in step 4
//	close_range    5.9    the file table is copied, descriptors are closed one by one
//	pidfd          5.4    a thread for each child that is waited for; no WithPidfd
//	pidfd_info     6.15   ErrStatusTaken where somebody else has waited
//	waitid         -      filters: wait4; children that live long are looked at every 50 ms
//	shared_memory  -      emulators: memory is copied, failures come by a pipe
//
// # Logging
//
// Spec.Logger gets a debug line for each spawn and each exit, and a warning, once
// a process, for each of the features that are missing and cost time or threads.
// Arguments and environment are never logged. A nil Logger costs nothing. A
// *zap.Logger is a Logger.
//
// # Other platforms
//
// The engine is for linux/amd64 and linux/arm64, but not for Android, whose seccomp
// filter kills a process for a call that it does not know. Elsewhere children are
// made by os.StartProcess: the parent performs the file actions, in order, as far
// as it can, and those attributes work whose documentation says "any Unix". All
// else is an error that matches [errors.ErrUnsupported], before anything has
// happened. Of the promises above these are weaker there:
//
//   - Signals that the parent ignores stay ignored in the child.
//   - Descriptors that were not named are closed on Linux and Darwin; elsewhere
//     the child has those of them that are not close-on-exec.
//   - Files are opened by the parent, which excludes attr.Chroot and other
//     credentials than its own.
//   - The error of os.StartProcess does not tell which step failed.
//   - Each child that is waited for holds a thread, and ErrStatusTaken is the
//     result where somebody else has waited.
//
// # Build tags
//
// With spawn_forkexec Linux uses os.StartProcess, too. With spawn_nolinkname the
// engine does without the two functions of the runtime that tell the scheduler of
// a blocking system call: a child that is stuck before execve then holds up the
// garbage collector, and with it the program.
//
// # Limits
//
//   - A socket can't be opened anew: one that is non-blocking, as that of
//     net.Conn.File, is so in the child, which few programs expect. Call Fd on it
//     before the spawn where the parent has no more use for it. The same goes for
//     the ends of os.Pipe where there is no /proc, and on other systems than Linux.
//   - Other code in the process that closes, or overwrites with dup2, descriptors
//     that are not its own may hit this package's. It looks before it overwrites any
//     of its own, but between the look and the act there is a moment.
//   - attr.ParentDeathSignal keeps up to 8 threads, each with a goroutine, made
//     when they are needed. When so many children are held up before execve, the
//     next Start waits, for as long as its context lets it.
//   - Killing ends the child alone, not what it has started in turn.
//   - A child that can't be killed before execve, because it has another user's ids
//     or is in an uninterruptible sleep, is left behind when the context of its start
//     ends, and reaped later. It does not get as far as its program, unless it has a
//     copy of the memory. Without such a context Start waits for it.
//   - With attr.OOMScoreAdj the thread sleeps in clone until execve, also where steps
//     may take long; the kernel would set the parent's score as well. With
//     attr.IDMap for attr.Namespaces or with FileActions.InheritAll beside it the
//     child gets a copy of the memory.
//   - While a child that changes ids or capabilities, or enters a user namespace, is
//     on its way to execve, this process is not dumpable: most files of /proc/self
//     belong to root for that time. Where this process is not root, such a start
//     and one that writes files of /proc (attr.IDMap, attr.OOMScoreAdj and those
//     beside it) wait for each other, for as long as their contexts let them. So
//     two such children must not wait for each other before execve, by a FIFO say.
//   - Descriptors must be below RLIMIT_NOFILE, in the child as in the parent.
//   - Plan 9 has no signals that Go calls so; the package does not build there.
//   - A filter of attr.Seccomp must allow execve, and exit_group where execve
//     fails; one that doesn't is refused, as far as that can be seen.
//   - The child's dumpable flag can't be set: execve resets it. A program sets it
//     itself.
//   - A SIGSTOP or SIGTRAP for a child that is traced, by attr.Ptrace or
//     attr.StartSuspended, holds up Start if it comes before execve.
package spawn
