// Package pidns makes pid namespaces whose first process, the init, is a program of a few
// instructions. When the init ends, the kernel kills all other processes of the
// namespace. The init ends when it is killed from outside, or when this process ends.
//
// # What the init is
//
// The program is in package raw. It is made into a file that is in memory only, so there
// is nothing to install. It has a session of its own, no environment, and the root as its
// working directory. Its only descriptors are those that it waits by: it keeps no file, no
// mount and no terminal busy. It stays in the control group in which this process was,
// where its memory of a few pages counts. Where it may, it makes itself the last for the
// OOM killer: with it all others of the namespace would die.
//
// The init ignores all signals. So the kernel reaps those whose parent it becomes, and a
// SIGTERM for all processes of a service does not end it before them: from outside of the
// namespace only SIGKILL does.
//
// # How it learns of the end of this process
//
// By two ways, of which one alone would do. The kernel sends it a SIGKILL when the thread
// that made it ends, which lasts as long as the process. And it waits by a pidfd of this
// process, or by a pipe whose other end this process has. The first works also where the
// init is stopped or frozen. The second works also where this process ends before the
// first was asked for: the init can't see that its parent has changed, because all
// processes outside of its namespace look the same from inside.
//
// # The guardian
//
// The same program is the guardian of a control group, where no pid namespace can be
// made. It then is in no namespace of its own, and has one more descriptor, of the group's
// cgroup.kill. When this process has ended, it writes to that file, and ends. No death
// signal may end it before, so the pidfd alone tells it.
package pidns
