package spawn

import (
	"io/fs"
	"os"
	"sync/atomic"

	"github.com/safespawn/spawn/internal/plan"
)

// FileActions is the list of things that the child does to its descriptors and its
// working directory before its program begins, like posix_spawn_file_actions_t. The
// child performs the actions in the order of the calls.
//
// The zero value is an empty list. The child then has those of the descriptors 0, 1
// and 2 that are open in this process and not close-on-exec at the time of the
// start. It has no other descriptor, even if others are not close-on-exec. The
// child also has the target of each action, until a later action closes it.
//
// A descriptor given as a number is the child's descriptor at that point. At first
// the child's numbers are those of this process, and then each action changes them.
// An *os.File, in contrast, always means the file that it is in this process, even
// if an earlier action has put another file at its number. So you can give files
// any numbers in any order.
//
// The methods only record an action. [Compile], [Start] and [Run] check it, and an
// error names the action's index.
//
// You may copy a FileActions: an action added to a copy is in no other copy. Do not
// use one FileActions from several goroutines at once. Its copies may be used at
// once.
type FileActions struct {
	list []plan.Action
	room *room // that list is in; nil while there are no actions
}

// room is memory for actions. Copies of a FileActions share it, and claim what is
// free of it.
type room struct {
	taken atomic.Int64   // how many places are
	first [4]plan.Action // of a list that is no longer; the standard streams and one more
}

// Open opens a file as descriptor fd, and closes fd first if it is open. The flags
// and perm are those of os.OpenFile. A relative path is resolved in the child's
// working directory at that point. The child opens the file with its own
// credentials, in its own root directory and with its own umask. See open(2).
func (a *FileActions) Open(fd int, path string, flag int, perm fs.FileMode) {
	a.add(plan.Action{Kind: plan.ActOpen, FD: fd, From: plan.AtFdcwd, Path: path, Flag: flag, Perm: perm})
}

// OpenAt is like [FileActions.Open], but a relative path is resolved in the
// directory that is open as dirfd. The numbers dirfd and fd may be the same. See
// openat(2).
func (a *FileActions) OpenAt(fd, dirfd int, path string, flag int, perm fs.FileMode) {
	a.add(plan.Action{Kind: plan.ActOpenAt, FD: fd, From: dirfd, Path: path, Flag: flag, Perm: perm})
}

// OpenAt2 is like [FileActions.OpenAt], and resolve says how the path may be resolved:
// RESOLVE_* of package unix. With RESOLVE_BENEATH nothing outside of the directory is
// opened, whatever symbolic links there are, and with RESOLVE_IN_ROOT the directory takes
// the place of the root directory. A dirfd of unix.AT_FDCWD is the working directory.
// perm counts only if flag has O_CREATE or O_TMPFILE.
//
// Linux 5.6; an older kernel fails with ENOSYS. Without the engine, the error of Compile
// matches [errors.ErrUnsupported]. See openat2(2).
func (a *FileActions) OpenAt2(fd, dirfd int, path string, flag int, perm fs.FileMode, resolve uint64) {
	a.add(plan.Action{Kind: plan.ActOpenAt2, FD: fd, From: dirfd, Path: path, Flag: flag, Perm: perm, Resolve: resolve})
}

// Mkdir makes a directory, with the child's umask and credentials, in its root directory.
// A relative path is resolved in the working directory at that point. It is an error
// (EEXIST) if the path exists. Linux with the engine; elsewhere the error of Compile
// matches [errors.ErrUnsupported]. See mkdir(2).
func (a *FileActions) Mkdir(path string, perm fs.FileMode) {
	a.add(plan.Action{Kind: plan.ActMkdir, Path: path, Perm: perm})
}

// Symlink makes path a symbolic link to target. In all else it is like
// [FileActions.Mkdir]. See symlink(2).
func (a *FileActions) Symlink(target, path string) {
	a.add(plan.Action{Kind: plan.ActSymlink, Path: path, Target: target})
}

// Dup2 duplicates descriptor from as descriptor to, and closes to first if it is
// open. Dup2(n, n) keeps n open over execve. In all other cases the child does not
// have from, unless another action gives it. See dup(2).
func (a *FileActions) Dup2(from, to int) { a.add(plan.Action{Kind: plan.ActDup2, FD: to, From: from}) }

// File gives the child the file f as descriptor to. The file stays yours. You may
// close it once Start has returned, or with a Program after the last Start. In this
// process f keeps its flags and its deadlines. The child shares its offset.
//
// Few programs expect a non-blocking descriptor, but package os makes the ends of
// pipes, FIFOs and terminals non-blocking. So on Linux the child gets such an f
// opened anew, as a blocking file, and f stays as it is. This takes /proc, and a
// file that this process may open. It does not work for sockets. If f can't be
// opened anew, the child's descriptor is non-blocking, too. To avoid this, call
// f.Fd first, if this process has no more use for f. Other systems can't open a
// pipe anew. [FileActions.Dup2] and [FileActions.Inherit] always pass the
// descriptor as it is.
func (a *FileActions) File(f *os.File, to int) {
	a.add(plan.Action{Kind: plan.ActFile, FD: to, File: f})
}

// fileAsIs is File, but f is passed as it is.
func (a *FileActions) fileAsIs(f *os.File, to int) {
	a.add(plan.Action{Kind: plan.ActFile, FD: to, File: f, AsIs: true})
}

// Close closes descriptor fd. It is not an error if fd is not open. See close(2).
func (a *FileActions) Close(fd int) { a.add(plan.Action{Kind: plan.ActClose, FD: fd}) }

// CloseFrom closes all descriptors from fd on, including the targets of earlier
// actions. The targets of later actions stay open. See closefrom(3).
func (a *FileActions) CloseFrom(fd int) { a.add(plan.Action{Kind: plan.ActCloseFrom, FD: fd}) }

// Inherit lets the child have descriptor fd of this process under the same number,
// even if it is close-on-exec in this process.
func (a *FileActions) Inherit(fd int) { a.add(plan.Action{Kind: plan.ActInherit, FD: fd}) }

// InheritAll lets the child have every descriptor of this process that is not
// close-on-exec, as fork and exec do. Its place in the order does not matter. The
// cost of a spawn then grows with the number of open files.
func (a *FileActions) InheritAll() { a.add(plan.Action{Kind: plan.ActInheritAll}) }

// Chdir changes the working directory of the program and of the later actions. A
// relative path of a later action, and a relative Spec.Path, are resolved there.
// See chdir(2).
func (a *FileActions) Chdir(path string) { a.add(plan.Action{Kind: plan.ActChdir, Path: path}) }

// Fchdir is like [FileActions.Chdir], to the directory that is open as fd. See
// chdir(2).
func (a *FileActions) Fchdir(fd int) { a.add(plan.Action{Kind: plan.ActFchdir, FD: fd}) }

// Tcsetpgrp makes the child's process group the foreground process group of the
// terminal that is open as fd. It is mostly used together with attr.Setpgid. See
// tcsetpgrp(3).
func (a *FileActions) Tcsetpgrp(fd int) { a.add(plan.Action{Kind: plan.ActTcsetpgrp, FD: fd}) }

// Append adds the actions of b, in their order.
func (a *FileActions) Append(b *FileActions) {
	for _, x := range b.list {
		a.add(x)
	}
}

// Len returns the number of actions.
func (a *FileActions) Len() int { return len(a.list) }

// add puts x into the next place. If there is none, or a copy has it, the list
// moves to a room of its own; what is in a place that was taken never changes.
func (a *FileActions) add(x plan.Action) {
	n := len(a.list)
	if n == cap(a.list) || !a.room.taken.CompareAndSwap(int64(n), int64(n+1)) {
		a.move()
	}
	a.list = append(a.list, x)
}

// move claims the next place, too.
func (a *FileActions) move() {
	n := len(a.list)
	r := new(room)
	list := r.first[:0]
	if n >= len(r.first) {
		list = make([]plan.Action, 0, 2*n)
	}
	r.taken.Store(int64(n + 1))
	a.list, a.room = append(list, a.list...), r
}
