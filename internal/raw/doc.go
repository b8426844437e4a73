// Package raw makes the child process: it holds the [Program], a flat list of
// system calls prepared by the parent, and the assembly that clones and then
// performs that list in the child. It is the only home of unsafe, assembly and
// linkname in this module.
//
// # The child's contract
//
// The child is made with CLONE_VM and CLONE_VFORK. It runs on the parent's
// memory while the calling thread waits for it, and all other threads of the
// parent go on running. Between clone and execve it therefore
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
// The thread sleeps in clone until the child has exec'd or died. It does so in
// the state that the runtime gives a blocking system call, so its P is free for
// other goroutines and a stop-the-world does not wait for the child. The
// runtime's entersyscall and exitsyscall are reached by linkname; the build tag
// spawn_nolinkname does without them, at the price that a child that is stuck
// before execve holds up the garbage collector.
package raw
