// Package raw makes the child process: it holds the [Program], a flat list of
// system calls prepared by the parent, and the assembly that clones and then
// performs that list in the child. It is the only home of unsafe, assembly and
// linkname in this module.
//
// # The child's contract
//
// The child is made with CLONE_VM, and mostly CLONE_VFORK. It runs on the parent's
// memory while the calling thread waits for it, in clone or in [Run.Await], and all
// other threads of the parent go on running. Between clone and execve it therefore
//
//   - runs no Go code, calls nothing and returns nowhere: it loops over the
//     program and ends in execve or exit_group;
//   - touches no stack: its stack pointer is a region of its own, for the sake
//     of tools that follow clone, and nothing is read or written through it;
//   - writes to memory only the failure record and the variables of its own
//     run; the program and its strings are read-only and may be shared by any
//     number of children at the same time;
//   - handles no signal: all are blocked before clone and stay so until the
//     program sets the final mask, the last thing before execve, and by then no
//     handler is left (CLONE_CLEAR_SIGHAND, or operations of the program);
//   - takes no lock and allocates nothing: all that needs either is done by the
//     parent beforehand.
//
// Every clause has a test in this package.
//
// # The syscall state
//
// With CLONE_VFORK the thread sleeps in clone until the child has exec'd or died, and
// no signal reaches it. It does so in the state that the runtime gives a blocking system call, so its P is free for
// other goroutines and a stop-the-world does not wait for the child. The
// runtime's entersyscall and exitsyscall are reached by linkname; the build tag
// spawn_nolinkname does without them, at the price that a child that is stuck
// before execve holds up the garbage collector.
//
// Without CLONE_VFORK clone returns at once, and the parent's thread restores its
// signal mask. It waits for a word in memory, which the kernel clears and wakes, as
// it ends a vfork, when the child lets go of the memory at execve or exit
// (CLONE_CHILD_CLEARTID). Until then the run must not be used for anything else. Two
// things that the kernel does not do to a child in vfork it does to such a child: a
// write to its oom_score_adj is one to all that share the memory, and the OOM killer
// may pick it, and kills all that share the memory.
package raw
