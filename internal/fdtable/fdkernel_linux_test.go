//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package fdtable_test

import (
	"fmt"
	"maps"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/fdtable"
	"github.com/safespawn/spawn/internal/raw"
)

// fakeKernel performs the planner's system calls on a table of its own.
type fakeKernel struct {
	world  fdWorld
	tab    map[int]heldFD
	cwd    fileID
	ttys   []fileID
	limit  int
	shared bool // the table is still the parent's
	vars   []uint64
	offset int    // in the directory of descriptors
	wrong  string // what must not have happened
}

// What is in a parent's table besides what the case has there.
const (
	pidfdID  = fileID("f-pidfd")
	errPipe  = fileID("f-record")
	readPipe = fileID("f-record, read end")
	fdDir    = fileID("d-fds")
)

// fdVariant is what the kernel has.
type fdVariant struct{ closeRange, sharedMemory, slots bool }

// firstFakeSlot and fakeSlots are where a parent has slots.
const (
	firstFakeSlot = 32
	fakeSlots     = 4*fdtable.SlotsPerGroup + 1
)

// firstSlot is the first slot of a case's parent, or 0 where its descriptors
// leave no room for slots.
func (v fdVariant) firstSlot(c *fdCase) int {
	for n := range c.parent {
		if n >= firstFakeSlot && n < firstFakeSlot+fakeSlots {
			return 0
		}
	}
	if !v.slots || c.limit < firstFakeSlot+fakeSlots {
		return 0
	}
	return firstFakeSlot
}

// begin does what the parent does before and while it clones. It fails where
// there is no number for the failure record's pipe.
func (k *fakeKernel) begin(c *fdCase, l *fdtable.Lowered, v fdVariant) (ok bool) {
	k.tab = maps.Clone(c.parent)
	k.cwd, k.limit = c.cwd, c.limit
	k.vars = make([]uint64, l.Vars)
	k.fillSlots(c, l, v)
	high := max(64, l.Top)
	for n := range k.tab {
		high = max(high, n|63+1)
	}
	k.set(l.High, uint64(high))
	k.set(l.Dir, 1<<64-1)
	k.shared = l.Unshare != 0
	if !v.sharedMemory {
		k.tab[k.free(3)] = heldFD{readPipe, true}
	}
	if !k.lend(c, l) {
		return false
	}
	if v.sharedMemory && k.shared {
		k.tab[k.free(0)] = heldFD{pidfdID, true}
		k.set(l.Unshare, unix.CLOSE_RANGE_UNSHARE)
	}
	return true
}

// opensAnew says which files a test has opened anew.
func opensAnew(fd int) bool { return fd%4 == 3 }

// lend finds numbers for what is lent. Some may have been taken at the time and be
// free by now.
func (k *fakeKernel) lend(c *fdCase, l *fdtable.Lowered) bool {
	var at []int
	for i, x := range l.Lent {
		n := k.free(3 + (len(c.doings)+i)%3)
		for l.Named(n) {
			n = k.free(n + 1)
		}
		if n >= k.limit {
			return false
		}
		k.tab[n] = heldFD{errPipe, true}
		if x.FD >= 0 {
			k.tab[n] = heldFD{k.tab[x.FD].id, true}
		}
		k.set(x.Var, uint64(n))
		at = append(at, n)
	}
	slices.Sort(at)
	l.SetLent(k, at)
	return true
}

// Set and Get are for what a start works out.
func (k *fakeKernel) Set(v raw.Var, x uint64) { k.set(v, x) }

// Get reads a variable.
func (k *fakeKernel) Get(v raw.Var) uint64 { return k.vars[v] }

// fillSlots puts files on a group of slots. Others have the files of children that
// are made at the same time.
func (k *fakeKernel) fillSlots(c *fdCase, l *fdtable.Lowered, v fdVariant) {
	first := v.firstSlot(c)
	if first == 0 {
		return
	}
	for n := range fakeSlots {
		k.tab[first+n] = heldFD{"f-other", true}
	}
	first += len(c.doings) % 4 * fdtable.SlotsPerGroup
	k.set(l.Slot, uint64(first))
	for i, fd := range l.Slots {
		k.tab[first+i] = heldFD{k.tab[fd].id, true}
	}
}

func (k *fakeKernel) set(v raw.Var, x uint64) {
	if v != 0 {
		k.vars[v] = x
	}
}

func (k *fakeKernel) free(from int) int {
	for {
		if _, taken := k.tab[from]; !taken {
			return from
		}
		from++
	}
}

// run performs the calls. It returns the action whose call failed, if any.
func (k *fakeKernel) run(l *fdtable.Lowered) (failed int, errno syscall.Errno) {
	for _, c := range l.Calls {
		if c.When != nil && k.vars[c.When.Var] == c.When.Equal {
			continue
		}
		var args [6]int
		for i, a := range c.Args {
			args[i] = k.value(a)
		}
		if c.Sweep != nil {
			k.change()
			k.closeRange(args[0], k.value(*c.Sweep))
			continue
		}
		x, errno := k.call(c, args)
		if errno != 0 {
			return l.Action(c), errno
		}
		if c.Keep != 0 && x >= 0 {
			k.vars[c.Keep] = uint64(x)
		}
		if l.ErrFD != 0 && k.tab[int(k.vars[l.ErrFD])].id != errPipe {
			k.wrong = "the failure record's descriptor is gone"
		}
	}
	return -1, 0
}

func (k *fakeKernel) value(v raw.Value) int {
	if v.Kind == raw.KindVar {
		return int(int64(k.vars[v.Var]) + int64(v.Num))
	}
	return int(int64(v.Num))
}

// change notes that a descriptor changes.
func (k *fakeKernel) change() {
	if k.shared {
		k.wrong = "a descriptor of the parent was changed"
	}
}

func (k *fakeKernel) call(c raw.Call, a [6]int) (result int, errno syscall.Errno) {
	switch c.Sys {
	case raw.CloseRange:
		if a[2]&unix.CLOSE_RANGE_UNSHARE != 0 {
			k.shared = false
		}
		k.change()
		k.closeRange(a[0], a[1])
	case raw.Close:
		if a[0] < 0 && c.When != nil {
			return 0, unix.EBADF // it is to fail; elsewhere EBADF is ignored
		}
		k.change()
		delete(k.tab, a[0])
	case raw.Dup3:
		k.change()
		return k.dup3(a[0], a[1], a[2])
	case raw.Fcntl:
		k.change()
		return k.fcntl(a[0], a[1], a[2])
	case raw.Openat:
		k.change()
		if c.Args[1].Text == "/proc/self/fd" {
			return k.openFDs(), 0
		}
		return k.openat(a[0], c.Args[1].Text, a[2])
	case raw.Openat2:
		k.change()
		return k.openat(a[0], c.Args[1].Text, 0)
	case raw.Chdir:
		return 0, k.chdir(k.world.open(k.cwd, c.Args[0].Text))
	case raw.Fchdir:
		fd, ok := k.tab[a[0]]
		if !ok {
			return 0, unix.EBADF
		}
		return 0, k.chdir(fd.id, 0)
	case raw.Lseek:
		if fd, ok := k.tab[a[0]]; ok && fd.id != fdDir {
			k.wrong = "the offset of a file was moved"
		}
		k.offset = a[1]
	case raw.Getdents64:
		k.set(c.Args[1].Var, k.entry(a[0]))
	case raw.Getpgid:
		return 1, 0
	case raw.Ioctl:
		return 0, k.ioctl(a[0], a[1])
	default:
		k.wrong = fmt.Sprintf("unexpected call of %s", c.Sys.Name())
	}
	return 0, 0
}

// openFDs opens the directory of descriptors, or returns an errno that is ignored.
func (k *fakeKernel) openFDs() int {
	to := k.free(0)
	if to >= k.limit {
		return -int(unix.EMFILE)
	}
	k.tab[to] = heldFD{fdDir, true}
	return to
}

// entry is where an entry of the directory is in k.offset or after it: 0 if there is none.
func (k *fakeKernel) entry(dir int) uint64 {
	if k.tab[dir].id == fdDir {
		for n := range k.tab {
			if n >= k.offset-2 {
				return 1
			}
		}
	}
	return 0
}

func (k *fakeKernel) closeRange(first, last int) {
	for n := range k.tab {
		if n >= first && n <= last {
			delete(k.tab, n)
		}
	}
}

func (k *fakeKernel) dup3(from, to, flags int) (int, syscall.Errno) {
	fd, ok := k.tab[from]
	switch {
	case from == to:
		return 0, unix.EINVAL
	case !ok || to < 0 || to >= k.limit:
		return 0, unix.EBADF
	}
	k.tab[to] = heldFD{fd.id, flags&unix.O_CLOEXEC != 0}
	return to, 0
}

func (k *fakeKernel) fcntl(n, cmd, arg int) (int, syscall.Errno) {
	fd, ok := k.tab[n]
	switch {
	case !ok:
		return 0, unix.EBADF
	case cmd == unix.F_SETFD:
		k.tab[n] = heldFD{fd.id, arg&unix.FD_CLOEXEC != 0}
		return 0, 0
	case cmd != unix.F_DUPFD_CLOEXEC:
		k.wrong = "unexpected fcntl"
		return 0, 0
	case arg < 0 || arg >= k.limit:
		return 0, unix.EINVAL
	}
	to := k.free(arg)
	if to >= k.limit {
		return 0, unix.EMFILE
	}
	k.tab[to] = heldFD{fd.id, true}
	return to, 0
}

func (k *fakeKernel) openat(dirfd int, path string, flag int) (int, syscall.Errno) {
	to := k.free(0)
	if to >= k.limit {
		return 0, unix.EMFILE
	}
	dir := k.cwd
	if dirfd != unix.AT_FDCWD {
		fd, ok := k.tab[dirfd]
		if !ok {
			return 0, unix.EBADF
		}
		dir = fd.id
	}
	id, errno := k.world.open(dir, path)
	if errno != 0 {
		return 0, errno
	}
	k.tab[to] = heldFD{id, flag&unix.O_CLOEXEC != 0}
	return to, 0
}

func (k *fakeKernel) chdir(dir fileID, errno syscall.Errno) syscall.Errno {
	if errno == 0 && k.world.kind(dir) != 'd' {
		errno = unix.ENOTDIR
	}
	if errno == 0 {
		k.cwd = dir
	}
	return errno
}

func (k *fakeKernel) ioctl(n, cmd int) syscall.Errno {
	fd, ok := k.tab[n]
	switch {
	case !ok:
		return unix.EBADF
	case cmd != unix.TIOCSPGRP && cmd != unix.TIOCSCTTY:
		k.wrong = "unexpected ioctl"
	case k.world.kind(fd.id) != 't':
		return unix.ENOTTY
	}
	k.ttys = append(k.ttys, fd.id)
	return 0
}

// exec closes what is close-on-exec and returns the rest. Only a table that is
// inherited whole, and 0, 1 and 2, may have files that wait for execve to close
// them.
func (k *fakeKernel) exec(all bool) map[int]fileID {
	table := map[int]fileID{}
	for n, fd := range k.tab {
		if !fd.cloexec {
			table[n] = fd.id
		} else if !all && n > 2 && fd.id != errPipe && fd.id != readPipe {
			k.wrong = fmt.Sprintf("descriptor %d is closed only by execve", n)
		}
	}
	if k.shared {
		k.wrong = "the table was never unshared"
	}
	return table
}
