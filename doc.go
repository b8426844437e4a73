// Package spawn starts processes as posix_spawn(3) does. You give it a list of file
// actions and a set of attributes. The child performs both before its program
// begins.
//
// On Linux the child shares the parent's memory while it prepares itself (clone3
// with CLONE_VM and CLONE_VFORK). It runs no Go code, only a short assembly loop.
// The loop performs a list of system calls that the parent has prepared, and the
// last of them is execve. Elsewhere the same API works over os.StartProcess.
//
// # Use
//
// Fill in a [Spec]. Then call [Run], or [Start] and [Process.Wait]:
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
// Path names a file. There is no search in PATH (see [LookPath]), and no shell.
//
// If you start the same Spec often, compile it once with [Compile], and start the
// result with [Program.Start]. A Program never changes, and any number of
// goroutines may start it at once. Its environment is the one at the time of
// Compile. The files that it names must stay open while you use it.
//
// # File actions and descriptors
//
// The child has the parent's descriptors 0, 1 and 2, if they are open and not
// close-on-exec. It also has the descriptors that the actions of [FileActions] put
// in place. It has no others, whatever close-on-exec flags the parent's descriptors
// carry. [FileActions.Inherit] adds one descriptor. [FileActions.InheritAll] adds
// all descriptors that fork and exec would leave open.
//
// The child performs the actions in the order of the calls. A descriptor given as a
// number is the child's descriptor at that point, as in posix_spawn. An *os.File,
// in contrast, is always the parent's file, even if an earlier action has put
// another file at its number. So files can take any numbers in any order, swapped
// or with gaps. The child resolves paths itself: in its working directory at that
// point, inside its root directory, with its credentials and its umask.
//
// If you pass a file, it keeps its flags, its offset and its deadlines. The
// parent's file stays yours; close it once Start has returned. Package os makes the
// ends of pipes non-blocking, and few programs expect that. The child therefore
// gets such an end opened anew, as a blocking file; see [FileActions.File].
//
// The descriptors that the package opens for itself have numbers from 3 up and are
// close-on-exec, even if the parent has closed 0, 1 or 2.
//
// # Attributes
//
// [attr.List] in Spec.Attr holds the attributes, in any order. Whatever you do not
// list is inherited, but for three things that a Go process changes for its own
// use:
//
//   - Signals have their default actions, even those that the parent ignores; see
//     attr.InheritIgnored and attr.SigIgnore.
//   - The limit of open files is the one that this process was started with,
//     because Go raises the soft limit for itself. If somebody has changed the
//     limit since, the child gets the changed one; see attr.NoFile.
//   - The signal mask is that of the calling thread. In Go that is the mask that
//     the process was started with; see attr.SigMask.
//
// Compile returns an error if an attribute is given twice, or if two attributes
// contradict each other. With attr.Optional the program runs also if an attribute can't
// be set, and [Process.Applied] says so.
//
// # The order of the child's steps
//
// The order is fixed; the order of your lists does not change it. Each line says
// what happens, and why it happens there and not earlier or later. A step that the
// Spec does not ask for is left out.
//
//  1. DieWithParent, a tree in a pid namespace, or OOMScoreAdj with InheritAll or
//     with IDMap for Namespaces: a first child makes the child, and sleeps until
//     execve. setns puts only the children of its caller into a pid namespace. A
//     score is a child's own only while the maker of the child sleeps, and the parent
//     must not sleep.
//  2. A file table of its own, with only the needed descriptors. Before that, a
//     change to a descriptor would change the parent's, too.
//  3. Signal dispositions: InheritIgnored, SigDefault, SigIgnore. No signal is
//     delivered before the mask is set.
//  4. Setsid, or Setpgid and then Foreground. Only the leader of a session gets a
//     controlling terminal, and Tcsetpgrp is about the new group.
//  5. Joining a cgroup, if the child can't be made in it. The cgroup limits the
//     CPUs and is the root of a new cgroup namespace, and joining it needs the
//     parent's privilege.
//  6. Spec.PIDVariable, OOMScoreAdj, CoredumpFilter, SELinuxContext,
//     AppArmorProfile. Their files are in /proc. Another root directory may lack /proc, and once the ids have
//     changed the files belong to root.
//  7. Limits that are raised. In later steps RLIMIT_NICE and RLIMIT_RTPRIO can
//     take the place of privilege.
//  8. CPUAffinity. The kernel allows SchedDeadline only to a process that may run
//     on all CPUs.
//  9. SchedPolicy, Nice, NUMAPolicy, IOPrio, CoreSched. Other namespaces and
//     credentials take the privilege away.
//  10. Clearing the dumpable flag, and again after each step that may set it. From
//     the next step on, processes that can't reach the parent could reach the
//     child, which shares the parent's memory.
//  11. JoinNamespace. In a user namespace of its own, which is made next, the child
//     has no rights over other namespaces.
//  12. Unshare with its IDMap, TimeOffsets; all mounts become private. Mounts and
//     names that are made from here on are the child's own.
//  13. Mounts. The new root might not contain their sources.
//  14. PivotRoot, Chroot or NewRoot; Hostname, Domainname, Loopback. Other
//     credentials take the privilege away.
//  15. The bounding set; the permitted capabilities are marked to survive the
//     change of ids. The change of ids takes away CAP_SETPCAP, and all
//     capabilities without the mark.
//  16. Groups, gid, uid. The uid comes last, because its change takes away the
//     privilege for all three.
//  17. Ambient capabilities. The change of the uid clears them.
//  18. SecureBits. They may forbid ambient capabilities, and they need CAP_SETPCAP,
//     which the next step may drop.
//  19. The other capability sets. File actions can do no more than the program.
//  20. ParentDeathSignal, SessionKeyring. The change of ids clears the signal, and
//     decides whose keyring it is.
//  21. Umask. It applies to the files that the file actions make.
//  22. File actions, in the order of the calls. They have the root, the credentials
//     and the umask of the program.
//  23. Spec.File, at an unused number; DetachTTY, then ControllingTTY. The descriptors are in their places, and that
//     of the terminal is still open.
//  24. Closing the descriptors that the program does not get; with Landlock this
//     comes after the Landlock step. With InChild, making its ruleset. From here on the child needs no descriptor
//     but the ruleset's.
//  25. Limits that are lowered, including NoFile; TimerSlack, Personality,
//     ChildSubreaper, MemoryDenyWriteExec, NoHugePages, MergePages. A lower
//     RLIMIT_NOFILE would hinder the file actions, and a lower RLIMIT_NPROC before
//     the change of the uid makes execve fail.
//  26. NoNewPrivs. Without privilege, Landlock and Seccomp need it.
//  27. Landlock. Only the program's path is still to be opened.
//  28. Ptrace, StartSuspended. The filter of Seccomp may forbid it.
//  29. The signal mask; a traced child gets it after execve, from this process.
//     With SIGTTOU unblocked a Tcsetpgrp from the background would stop the child,
//     and the filter may forbid this call, too.
//  30. Seccomp; with a Listener the child waits until this process has taken it. The
//     filter may forbid every call but execve.
//  31. execve, of the file that was verified with Digest. Then the program runs.
//
// Where a line has several attributes, the child sets them in the order of your
// list. Until the mask is set, all signals are blocked. So SIGTTOU can't stop a
// child in [FileActions.Tcsetpgrp].
//
// With attr.Cgroup the child is in the cgroup before the first step, and with
// attr.Namespaces it is in the namespaces. With an attr.IDMap for attr.Namespaces
// the child waits before the first step, until this process, or newuidmap and
// newgidmap, have written the maps. Its file table is then a copy from the start.
//
// [Program.Steps] returns the system calls of a program one by one, and the command
// spawn --explain prints them. docs/attributes.md has a table of all attributes,
// and a table of those that exclude each other.
//
// # The child's contract
//
// Between clone and execve the child calls no function and returns from none. It
// touches no stack, allocates nothing, takes no lock and handles no signal. It
// writes to no memory but that of its result. Package internal/raw has the details
// and the tests.
//
// For the parent this means:
//
//   - Its memory is neither copied nor changed. The cost of a spawn does not depend
//     on the size of the heap, and no memory is reserved for a copy. There are
//     exceptions: attr.CoredumpFilter, attr.MemoryDenyWriteExec, attr.NoHugePages
//     and attr.MergePages belong to the memory, so a child with one of them gets a
//     copy, as fork makes it. So does a child with attr.Cgroup, if the kernel might
//     end this process with the child when memory runs out.
//   - Its descriptors are not copied. The child shares the parent's table until its
//     first step, which copies only the low descriptors. The cost does not depend
//     on the number of open files.
//   - The child's copy of the table is as long as the highest number it needs. So a
//     start moves files numbered 64 and up to low numbers for its duration. The
//     library reserves 13 low descriptors for this, on /dev/null (O_PATH), at the
//     first start that passes a file. If no low number is free by then, or if more
//     such files are passed at once, the copy is a long one.
//   - Nothing waits for the child but the calling goroutine and its thread. The
//     scheduler and the garbage collector go on, however long the child takes.
//     Steps that open or enter a path, mount, write id maps or join a cgroup may
//     take long, and so may FileActions.InheritAll. With such steps the thread is
//     reachable while it waits: by signals, by syscall.Setgroups and
//     syscall.AllThreadsSyscall, and by a debugger. Without such steps the thread
//     sleeps in clone, for the microseconds until execve. That is cheaper by about
//     4 µs.
//   - It holds no lock while the child is on its way. Until the child is made, a
//     start takes syscall.ForkLock for FileActions.InheritAll, and for a child with
//     a copy of the memory. Other starts do not wait for a holder of that lock,
//     because their children get no unnamed descriptor anyway.
//   - Its signal mask, dispositions, working directory, umask, limits and ids are
//     never changed. Its dumpable flag is cleared while a child that others may
//     reach shares its memory, and restored when the last such child is past
//     execve; see [SetDumpable] and docs/security.md.
//
// # Errors
//
// The error of a failed start is an [*Error]. It says which [Part] of the start
// failed (an argument, a file action, an attribute), at which index and in which
// step. It names the object, and wraps the system's error number.
//
//	spawn /usr/bin/sort: open in.txt: no such file or directory
//
// For this error errors.Is(err, fs.ErrNotExist) holds, and the fields of the Error
// say whether the program is missing, an input file, or the interpreter of a
// script. The child has been reaped by the time that you get the error.
//
// Bad input is found before there is a child, and wraps syscall.EINVAL. Arguments
// that are too long wrap syscall.E2BIG. If two attributes contradict each other,
// errors.As finds an [*attr.ConflictError] that names both; if an attribute needs
// another one, an [*attr.NeedError]. If the kernel or the platform lacks something,
// the error matches [errors.ErrUnsupported], and errors.As finds an
// [*UnsupportedError] that says what is missing, and which kernel has it first. An
// errno that is about a file, a cgroup or a filter, and not about the kernel, does
// not match it. If the context ends, the error is that of the context.
//
// An errno alone does not say everything. After a failure the package looks for
// more, and puts it into the Hint of the error:
//
//   - which of a chain of interpreters is missing, and which file names it;
//   - which directory the child's ids may not pass;
//   - that a file system is mounted noexec;
//   - which capability a step needs, if it is missing (docs/attributes.md lists
//     them);
//   - which limit of processes or namespaces is reached, and of which cgroup.
//
// An example:
//
//	spawn /srv/job: execve /opt/python: no such file or directory (interpreter of /srv/job; there is no /opt)
//
// If the child's root, mounts or working directory differ from those of this
// process, there is no hint about paths. A hint quotes nothing that the child could
// not have read.
//
// While the program file is open for writing ("text file busy"), execve is tried
// again, for about 0.15 s. In a program with many goroutines the reason is mostly a
// child that was made at the same time, and holds a copy of the descriptor for
// microseconds.
//
// # Names of steps
//
// The names of steps are constants of this package. Most are the names of system
// calls, of files in /proc, or of options of prctl, in lower case:
//
//   - of a Spec: spec, path, args, env, actions, attr;
//   - of file actions: open, openat, openat2, mkdir, symlink, dup2, file, close, closefrom, inherit,
//     inheritall, chdir, fchdir, tcsetpgrp;
//   - of each start: pipe, clone, file_table, dumpable, sigmask, sigdefault,
//     rlimit, clock, execve;
//   - of attributes: cgroup, unshare, setns, id_map, uid_map, gid_map,
//     timens_offsets, private_mounts, mount, pivot_root, new_root, open_tree, chroot, sethostname,
//     setdomainname, loopback, setsid, setpgid, ctty, noctty, foreground, sigignore, umask, nice, sched,
//     sched_util, affinity, mempolicy, ioprio, timerslack, core_sched,
//     oom_score_adj, coredump_filter, mdwe, thp_disable, memory_merge, setgroups,
//     setresgid, setresuid, keepcaps, bounding, capset, ambient, securebits,
//     no_new_privs, landlock, seccomp, digest, selinux, apparmor, keyring, subreaper,
//     pdeathsig, personality, ptrace, suspend, and clone, sigmask, sigdefault and
//     rlimit, too;
//   - of package exec: sysprocattr, tree.
//
// # Waiting
//
// You may call [Process.Wait] any number of times, from any number of goroutines,
// and it always gives the same result. [Process.Done] is a channel for select.
// [Process.WaitExited] waits too, but leaves the child for somebody else to reap.
// A non-zero status is not an error of Wait or [Run]; [ProcessState.Err] makes an
// error of it.
//
// Waiting costs a goroutine and no thread. At first the goroutine looks for the end
// in a loop, for up to 100 µs. The loop is shorter if others want the processor,
// and at most 16 goroutines are in it at a time. Then the goroutine parks on the
// child's pidfd. docs/performance.md has the numbers.
//
// After [Process.Release] a child is reaped in the background. So is a child whose
// Process becomes unreachable. No signal is ever sent to a pid that was reaped.
// Another waiter, such as a loop around wait4(-1), may take the status of a child.
// If the kernel has pidfd_info, Wait finds the status all the same. If it has not,
// the error is [ErrStatusTaken].
//
// [Process.Events] also has the stops and continuations of a child.
//
// [Attach] makes a Process of any process. It is waited for and signalled by a pidfd,
// and never reaped. [Reap] is for a process that inherits orphans, such as the init of a
// container: it reaps the orphans, and no child that somebody in this process waits for.
//
// # Trees
//
// [NewTree] makes a [Tree], which holds children and all their descendants together.
// [Tree.Attr] goes into the list of any number of Specs. Tree.Kill ends all of them,
// daemons included, and Tree.Wait waits for all. [Limits] bound what they may use
// together, and [Tree.Usage] says what they have used. On Linux a control group or a
// pid namespace holds a tree, on Windows a job, and elsewhere process groups, which a
// process can leave.
// [Tree.Holds] says which. docs/trees.md says how to get a control group with limits.
//
// # Cancellation
//
// The context of [Start] bounds the start alone. The child may be held up on its
// way to execve, by a FIFO, a dead file server or a frozen cgroup. If the context
// ends in this time, the child is killed and reaped. A child that has started is
// not touched.
//
// The context of [Run] bounds the life of the child: when it ends, the child is
// killed with SIGKILL and reaped. The context of [Process.Wait] bounds the waiting
// alone. In each case the error is that of the context.
//
// A nil context panics with "nil Context", in this package as in package exec.
//
// # Kernel features and fallbacks
//
// The engine works on any kernel that Go supports. [Features] says what your kernel
// offers, and finds out by trying. If a container's seccomp filter refuses a call,
// or kills for it, the call counts as missing. If a filter is installed later and
// refuses a call, the start that finds out is made again in the remaining way, and
// a Program is compiled again.
//
//	feature        Linux  without it
//	clone3         5.5    clone; signal handlers are reset one by one; no time namespaces
//	cgroup         5.7    the child moves itself to its cgroup, in step 4
//	close_range    5.9    the file table is copied, descriptors are closed one by one
//	pidfd          5.4    one thread waits for all children; no WithPidfd, Attach and Reap
//	pidfd_info     6.15   ErrStatusTaken if somebody else has waited
//	waitid         -      filters: wait4; children that live long are looked at every 50 ms
//	shared_memory  -      emulators: memory is copied, failures come by a pipe
//	exec_seen      -      gVisor: memory is copied for what may wait before execve
//
// [Features] also has what attributes need, which has no fallback: landlock, with its
// version, seccomp, user_namespaces, cgroup_namespaces and time_namespaces. tree_limits
// says whether the Limits of a [Tree] can be set at this moment, and who is in the way.
//
// # Logging
//
// Spec.Logger gets a debug line for each spawn and each exit. It also gets a
// warning for each missing feature that costs time or threads, once in the life of
// the process. Arguments and environment are never logged. A nil Logger costs
// nothing. A *zap.Logger is a Logger, and package slogspawn makes one of a
// *slog.Logger.
//
// # Observing and limiting
//
// Spec.Observer is told of each start and each end, with the phases of the start, the
// step that failed, the status and the usage. [Counters] is an Observer that counts,
// with a histogram of what starts take. The module otelspawn has an Observer that makes
// spans and metrics of OpenTelemetry. A nil Observer costs nothing. With an Observer the
// child makes two more system calls, which read the clock.
//
// Spec.Limiter bounds how many children live at once. A start waits for a place. If the
// system has no room for another process, the start waits for that, too, and for a
// bounded time. A start that fails for want of room says which limit is reached, by an
// [*Error] in which errors.As finds a [*LimitError].
//
// # Other platforms
//
// The engine is for linux/amd64, linux/arm64, linux/386, linux/arm, linux/riscv64, linux/loong64, linux/ppc64le and linux/s390x. It is not for Android, whose
// seccomp filter kills a process for an unknown call. Elsewhere os.StartProcess
// makes the children. The parent performs the file actions, in order, as far as it
// can. The attributes whose documentation says "Any Unix" work on any Unix.
// Everything else is an error that matches [errors.ErrUnsupported], before anything
// has happened.
//
// Of the promises above, these are weaker there:
//
//   - Signals that the parent ignores stay ignored in the child.
//   - On Linux and Darwin unnamed descriptors are closed. Elsewhere the child has
//     those unnamed descriptors that are not close-on-exec.
//   - The parent opens the files. This excludes attr.Chroot, and credentials other
//     than the parent's own.
//   - The error of os.StartProcess does not say which step failed.
//   - A thread waits for each child. If somebody else has waited, the error is
//     ErrStatusTaken.
//
// # Build tags
//
// With spawn_forkexec the package uses os.StartProcess on Linux, too.
//
// With spawn_nolinkname the engine does without the two functions of the runtime
// that tell the scheduler about a blocking system call. A child that is stuck
// before execve then holds up the garbage collector, and with it the program.
//
// # Limits
//
//   - A socket can't be opened anew. A non-blocking socket, such as that of
//     net.Conn.File, is non-blocking in the child, and few programs expect that. If
//     the parent has no more use for it, call Fd on it before the spawn. The same
//     goes for the ends of os.Pipe without /proc, and on systems other than Linux.
//   - Other code in the process may close descriptors that are not its own, or
//     overwrite them with dup2. Such code may hit this package's descriptors. The
//     package looks before it overwrites one of its own, but there is a moment
//     between the look and the act.
//   - attr.ParentDeathSignal keeps up to 8 threads, each with a goroutine. They are
//     made when they are needed. If 8 children are held up before execve at once,
//     the next Start waits for as long as its context lets it.
//   - attr.DieWithParent keeps one child, the init of a pid namespace, and two
//     descriptors. Each start makes one process more, for a moment. Without the
//     namespace it keeps the guardian of a control group, with three descriptors and
//     a directory, and another guardian for each Tree that it is used in.
//   - Kill ends the child alone, and not the processes that the child has started.
//   - A child that has another user's ids, or is in an uninterruptible sleep, may
//     be impossible to kill before execve. If the context of its start ends, such a
//     child is left behind and reaped later. It does not get as far as its program,
//     unless it has a copy of the memory. If the context does not end, Start waits
//     for the child.
//   - With attr.OOMScoreAdj the thread sleeps in clone until execve, even if steps
//     may take long; otherwise the kernel would set the parent's score as well. If
//     attr.IDMap for attr.Namespaces or FileActions.InheritAll come in addition, a
//     first child sleeps there instead, and for a moment there is one process more.
//   - While a child that changes ids or capabilities, or enters a user namespace,
//     is on its way to execve, this process is not dumpable: most files of
//     /proc/self belong to root for that time.
//   - If this process is not root, a start of such a child and a start that writes
//     files of /proc (attr.IDMap, attr.OOMScoreAdj and the attributes of the same
//     step) wait for each other, for as long as their contexts let them. So two
//     such children must not wait for each other before execve, by a FIFO for
//     example.
//   - Descriptors must be below RLIMIT_NOFILE, in the child as in the parent.
//   - The package does not build on Plan 9, where package syscall has no Signal.
//   - A filter of attr.Seccomp must allow execve, and exit_group for the case that
//     execve fails. Compile refuses other filters, as far as it can tell.
//   - You can't set the child's dumpable flag, because execve resets it. A program
//     must set it itself.
//   - If a child is traced, by attr.Ptrace or attr.StartSuspended, a SIGSTOP or
//     SIGTRAP that comes before execve holds up Start.
package spawn
