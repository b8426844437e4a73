// Package raw makes the child process. It holds the [Program], which is a flat list
// of system calls prepared by the parent, and the assembly that clones and performs
// this list in the child. Unsafe, assembly and linkname are in this package and in
// internal/nofile, and nowhere else in this module.
//
// # The child's contract
//
// The child is made with CLONE_VM, and mostly with CLONE_VFORK. It runs on the
// parent's memory. Meanwhile the calling thread waits for it, in clone or in
// [Run.Await], and all other threads of the parent go on running. So between clone
// and execve the child keeps this contract:
//
//   - It runs no Go code. It calls nothing and returns nowhere: it loops over the
//     program, and ends in execve or exit_group.
//   - It touches no stack. Its stack pointer is a region of its own, because tools
//     that follow clone want one. Nothing is read or written through it. On 386, where a
//     call takes all other registers, it also says where the child's frame is.
//   - It writes to memory only the failure record and the variables of its own run, and
//     on 386 its frame, which is part of the run.
//     The program and its strings are read-only, and any number of children may
//     share them at the same time.
//   - It handles no signal. All signals are blocked before clone. They stay blocked
//     until the program sets the final mask, right before execve. By then no
//     handler is left: by CLONE_CLEAR_SIGHAND, or by operations of the program.
//   - It takes no lock and allocates nothing. The parent does both beforehand, if
//     needed.
//
// Every clause has a test in this package.
//
// # Without a child
//
// [Run.Here] performs a program on the calling thread, which becomes the program of the
// last step. It is Go, does the same as the assembly, and is compared with the same model.
//
// # The syscall state
//
// With CLONE_VFORK the thread sleeps in clone until the child has exec'd or died,
// and no signal reaches the thread. The thread is then in the state that the
// runtime gives a blocking system call. So its P is free for other goroutines, and
// a stop-the-world does not wait for the child. The runtime's entersyscall and
// exitsyscall are reached by linkname. The build tag spawn_nolinkname does without
// them. A child that is stuck before execve then holds up the garbage collector.
//
// Without CLONE_VFORK clone returns at once, and the parent's thread restores its
// signal mask. The thread waits for a word in memory. The kernel clears the word
// and wakes the thread when the child lets go of the memory, at execve or exit
// (CLONE_CHILD_CLEARTID). At the same moment the kernel ends a vfork. Until then
// the run must not be used for anything else.
//
// The kernel treats a child in vfork and such a child differently in two ways. If
// such a child writes its oom_score_adj, the write counts for all processes that
// share the memory. And the OOM killer may pick such a child, and then kills all
// processes that share the memory.
package raw
