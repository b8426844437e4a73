package spawn

import (
	"io/fs"
	"os"
	"sync/atomic"

	"github.com/safespawn/spawn/internal/plan"
)

// FileActions is what the child does to its descriptors and its working
// directory, in the order of the calls, as posix_spawn_file_actions_t.
//
// The zero value lets the child inherit those of 0, 1 and 2 that are open here and
// not close-on-exec when it is started, and nothing else, whatever close-on-exec
// flags other descriptors carry. What an action names as its target the child has,
// too, until a later action closes it.
//
// Descriptors that are passed as numbers are the child's at that point: those of
// this process at first, and then what earlier actions made of them. An
// *os.File always means the file that it is in this process, whatever has become
// of its number in the child, so files can be given any numbers in any order.
//
// The methods only record; mistakes are found by Compile and named by the index
// of the action. A FileActions may be copied, and what is added to a copy is in no
// other; it is not for concurrent use, but copies of it are.
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

// Open opens a file as descriptor fd, which is closed first if it is open. The
// flags are those of os.OpenFile; a relative path is resolved in the child's
// working directory at that point. The child opens it with its own credentials.
// See open(2).
func (a *FileActions) Open(fd int, path string, flag int, perm fs.FileMode) {
	a.add(plan.Action{Kind: plan.ActOpen, FD: fd, From: plan.AtFdcwd, Path: path, Flag: flag, Perm: perm})
}

// OpenAt is Open with relative paths resolved in the directory dirfd, which may
// be the same number as fd. See openat(2).
func (a *FileActions) OpenAt(fd, dirfd int, path string, flag int, perm fs.FileMode) {
	a.add(plan.Action{Kind: plan.ActOpenAt, FD: fd, From: dirfd, Path: path, Flag: flag, Perm: perm})
}

// Dup2 makes descriptor to the same open file as from. Dup2(n, n) keeps n open
// over execve. It does not keep from. See dup(2).
func (a *FileActions) Dup2(from, to int) { a.add(plan.Action{Kind: plan.ActDup2, FD: to, From: from}) }

// File makes f descriptor to of the child. f keeps its flags, its offset, which
// the child shares, and its deadlines, and stays the caller's: it may be closed
// once Start has returned, or for a compiled Program after the last Start.
//
// Few programs expect a descriptor that does not block, as package os makes the ends
// of pipes, FIFOs and terminals. Where f is one, the child gets it opened anew,
// blocking, while f stays as it is. That takes /proc, and a file that this process
// may open; else, and for sockets, the child's does not block either: call f.Fd
// first where this process has no more use for f. Dup2 and Inherit always pass what
// is there. Other systems than Linux can't open a pipe anew.
func (a *FileActions) File(f *os.File, to int) {
	a.add(plan.Action{Kind: plan.ActFile, FD: to, File: f})
}

// Close closes descriptor fd. It is no error if it isn't open. See close(2).
func (a *FileActions) Close(fd int) { a.add(plan.Action{Kind: plan.ActClose, FD: fd}) }

// CloseFrom closes all descriptors from fd on. What earlier actions put there is
// closed, too; what later ones put there stays. See closefrom(3).
func (a *FileActions) CloseFrom(fd int) { a.add(plan.Action{Kind: plan.ActCloseFrom, FD: fd}) }

// Inherit lets the child have descriptor fd of this process under the same
// number, also if it is close-on-exec here.
func (a *FileActions) Inherit(fd int) { a.add(plan.Action{Kind: plan.ActInherit, FD: fd}) }

// InheritAll lets the child have every descriptor of this process that is not
// close-on-exec, as fork and exec do, wherever it stands in the order. The cost
// of a spawn then grows with the number of open files.
func (a *FileActions) InheritAll() { a.add(plan.Action{Kind: plan.ActInheritAll}) }

// Chdir changes the working directory: of later actions that have relative paths
// and of the program, whose own path if relative is resolved there as well. See
// chdir(2).
func (a *FileActions) Chdir(path string) { a.add(plan.Action{Kind: plan.ActChdir, Path: path}) }

// Fchdir is Chdir to the directory that is open as fd. See chdir(2).
func (a *FileActions) Fchdir(fd int) { a.add(plan.Action{Kind: plan.ActFchdir, FD: fd}) }

// Tcsetpgrp makes the child's process group the foreground one of the terminal
// fd, usually together with attr.Setpgid. See tcsetpgrp(3).
func (a *FileActions) Tcsetpgrp(fd int) { a.add(plan.Action{Kind: plan.ActTcsetpgrp, FD: fd}) }

// Append adds the actions of b.
func (a *FileActions) Append(b *FileActions) {
	for _, x := range b.list {
		a.add(x)
	}
}

// Len is how many actions there are.
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
