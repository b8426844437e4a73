package cgroup

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/kernel"
)

// freezeTime is how long it may take until nothing in a group runs any more, and
// maxBelow how many groups below one are looked at.
const (
	freezeTime = 100 * time.Millisecond
	maxBelow   = 1 << 16
)

// killFile kills all in a group when "1" is written to it. Tests replace it.
var killFile = "cgroup.kill"

// with calls f with a descriptor of the group's directory.
func (g *Group) with(f func(fd int) error) error {
	err := g.dir.With(f)
	if err != highfd.ErrStray {
		return err
	}
	fd, err := openDir(unix.AT_FDCWD, g.path)
	if errors.Is(err, unix.ENOENT) && g.dir.SharesDevice(filepath.Dir(g.path)) {
		return errRemoved
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if !g.dir.Is(fd) {
		return unix.ENOENT
	}
	return f(fd)
}

// errRemoved is what with returns of a group that is certainly no more: its name is missing
// in the file system that has it, where no group is renamed. Another process has removed the
// group, as sweep does once it is empty: other code has closed the descriptor, and so the lock.
var errRemoved = fmt.Errorf("the control group was removed: %w", unix.ENOENT)

// withAll is with for what is done to all in a group: one that was removed has nobody.
func (g *Group) withAll(f func(fd int) error) error {
	err := g.with(f)
	if err == errRemoved {
		return nil
	}
	return err
}

// KillAll kills all that are in the group and below, and reports whether there
// was anybody.
func (g *Group) KillAll() (some bool, err error) {
	err = g.withAll(func(fd int) error {
		if some = populated(fd); !some {
			return nil
		}
		if g.kill == nil {
			return killEach(fd, filepath.Base(g.path))
		}
		err := g.kill.With(func(fd int) error { return writeAll(fd, "1") })
		if err == highfd.ErrStray {
			err = writeFile(fd, killFile, "1")
		}
		return err
	})
	return some, err
}

// KillEach is KillAll without cgroup.kill. A group remembers that (Linux 6.18): whoever is
// made in it by clone3 from another group is killed at birth, however much later.
func (g *Group) KillEach() (some bool, err error) {
	err = g.withAll(func(fd int) (err error) {
		if some = populated(fd); some {
			err = killEach(fd, filepath.Base(g.path))
		}
		return err
	})
	return some, err
}

// killEach is for Linux before 5.14, and for KillEach.
func killEach(fd int, name string) error {
	_, err := signalEach(fd, name, unix.SIGKILL)
	return err
}

// Signal sends a signal to all that are in the group and below. It reports whether
// there was anybody. The error is of those who did not get it.
func (g *Group) Signal(sig unix.Signal) (some bool, err error) {
	if sig == unix.SIGKILL {
		return g.KillAll()
	}
	err = g.withAll(func(fd int) (err error) {
		if populated(fd) {
			some, err = signalEach(fd, filepath.Base(g.path), sig)
		}
		return err
	})
	return some, err
}

// signalEach sends to one after the other. A group that is frozen, as it can be from
// Linux 5.2 on, forks nothing while it is looked at. What is sent counts once it is
// thawed, but for SIGKILL, which counts at once.
func signalEach(fd int, name string, sig unix.Signal) (some bool, err error) {
	_ = writeFile(fd, "cgroup.freeze", "1") // where it can't be, the caller comes again
	Await(freezeTime, func() bool {
		events, _ := readFile(fd, "cgroup.events")
		return bytes.Contains(events, []byte("frozen 1"))
	})
	ours := kernel.OurIDs()
	werr := eachMember(fd, func(group, pid int) {
		some = true
		if pid <= 0 {
			return
		}
		err = errors.Join(err, signalMember(pid, sig, func() (bool, error) {
			if ours {
				if in, known := isBelow(pid, name); known {
					return in, nil
				}
			}
			return isListed(group, pid)
		}))
	})
	return some, errors.Join(err, werr, writeThaw(fd))
}

// writeThaw lets a group run that was frozen; before Linux 5.2 there is nothing to do.
func writeThaw(fd int) error {
	err := writeFile(fd, "cgroup.freeze", "0")
	if noMore(err) {
		return nil
	}
	return err
}

// eachMember calls f with the pids of all that are in a group and below, and the directory
// that has them. A pid is 0 where the process is in no pid namespace of ours.
func eachMember(fd int, f func(group, pid int)) error {
	return walk(fd, func(fd int) error {
		procs, err := readFile(fd, "cgroup.procs")
		for _, pid := range bytes.Fields(procs) {
			n, _ := strconv.Atoi(string(pid)) // the kernel writes numbers
			f(fd, n)
		}
		if err == unix.EOPNOTSUPP { // a threaded group: its processes are in one above
			return nil
		}
		return err
	}, nil)
}

// Count is how many processes are in the group and below, but for zombies; -1 where that
// is not known.
func (g *Group) Count() (n int) {
	err := g.with(func(fd int) error { return eachMember(fd, func(int, int) { n++ }) })
	if err != nil && !noMore(err) {
		return -1
	}
	return n
}

// noMore reports whether an error is that a group was removed or let go of. It has nobody.
func noMore(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) || errors.Is(err, os.ErrClosed)
}

// isBelow reports whether a process is in the group called name, or below, and whether /proc
// tells: it must be that of this pid namespace, and may hide the processes of others.
func isBelow(pid int, name string) (in, known bool) {
	groups, err := highfd.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	return bytes.Contains(groups, []byte("/"+name)), err == nil
}

// isListed reports whether a process is in a group itself. It needs no /proc, but the list of
// all that are.
func isListed(group, pid int) (bool, error) {
	procs, err := readFile(group, "cgroup.procs")
	if slices.Contains(strings.Fields(string(procs)), strconv.Itoa(pid)) {
		return true, nil
	}
	if err != nil && !noMore(err) {
		return false, &os.PathError{Op: "read", Path: "cgroup.procs", Err: err}
	}
	return false, nil
}

// signalMember sends to a process that was a member of a group. Where a filter, or a kernel
// before Linux 5.3, has no pidfd_open, the directory in /proc stands for the process. Where
// there is no pidfd_send_signal or no such directory either, its number does, which is its own
// while it is a member. Where nobody can say whether it is one, it gets nothing, and the error
// says why.
func signalMember(pid int, sig unix.Signal, isMember func() (bool, error)) error {
	byNumber := func() error {
		in, err := isMember()
		if in {
			err = unix.Kill(pid, sig)
		}
		return gone(err)
	}
	fd, err := openMember(pid)
	switch {
	case refused(err):
		return byNumber()
	case err != nil:
		return gone(err)
	}
	defer unix.Close(fd)
	// Whoever has the pid now has it for as long as he is in the group.
	if in, err := isMember(); !in {
		return err
	}
	err = unix.PidfdSendSignal(fd, sig, nil, 0)
	if refused(err) {
		return byNumber()
	}
	return gone(err)
}

// openMember opens what stands for a process. The error is that of pidfd_open where /proc has no
// directory of the process, either: it is gone, or hidden.
func openMember(pid int) (int, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err == nil {
		return highfd.Raise(fd)
	}
	if !refused(err) || !kernel.OurIDs() {
		return -1, err
	}
	fd, derr := highfd.Open("/proc/"+strconv.Itoa(pid), unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if derr == unix.ENOENT || derr == unix.EPERM {
		return -1, err
	}
	return fd, derr
}

// refused reports whether the kernel may lack a call, or a filter be against it.
func refused(err error) bool { return err == unix.ENOSYS || err == unix.EPERM }

// gone makes no error of a process that is no more.
func gone(err error) error {
	if err == unix.ESRCH {
		return nil
	}
	return err
}

// populated reports whether there may be a process in a group or below it, but for
// zombies. A group that is no more has none.
func populated(fd int) bool {
	events, err := readFile(fd, "cgroup.events")
	if err != nil {
		return !noMore(err)
	}
	return bytes.Contains(events, []byte("populated 1"))
}

// Empty reports whether there is certainly no process in the group.
func (g *Group) Empty() bool {
	some := false
	err := g.with(func(fd int) error { some = populated(fd); return nil })
	return !some && (err == nil || noMore(err))
}

// End kills until nothing is left, but for no longer than d, and removes the group. A
// child may come in at any time before the group is removed: only rmdir says that there is
// nobody, and nobody comes in any more.
func (g *Group) End(d time.Duration) error {
	defer g.close()
	var err error
	over := Await(d, func() bool {
		some, kerr := g.KillAll()
		if some {
			// Where no descriptor is left, this alone says that there is nobody.
			if unix.Rmdir(g.path) == nil {
				err = nil
				return true
			}
			err = errors.Join(kerr, unix.EBUSY)
			return false
		}
		err = g.remove()
		return !errors.Is(err, unix.EBUSY)
	})
	if !over {
		return fmt.Errorf("%s has processes that don't end: %w", g.path, err)
	}
	return err
}

// Abandon removes the group of a tree that nobody knows any more, once the processes in it
// have ended, and calls empty before.
func (g *Group) Abandon(empty func()) {
	if g.Empty() {
		empty()
		_ = g.Remove() // nobody is left to be told
		return
	}
	go func() {
		_ = g.AwaitEmpty(context.Background()) // which does not end before
		empty()
		_ = g.Remove() // the same
	}()
}

// Remove removes the group and what the tree has made below it. There is no
// process in any.
func (g *Group) Remove() error {
	defer g.close()
	return g.remove()
}

// remove is Remove of a group that is used further if it fails.
func (g *Group) remove() error {
	if unix.Rmdir(g.path) == nil { // it mostly is all, and needs no descriptor
		return nil
	}
	return g.withAll(func(fd int) error {
		if err := walk(fd, nil, rmdir); err != nil {
			return fmt.Errorf("below %s: %w", g.path, err)
		}
		up, err := openDir(fd, "..")
		if err != nil {
			return err
		}
		defer unix.Close(up)
		return rmdir(up, filepath.Base(g.path))
	})
}

func rmdir(dir int, name string) error {
	err := unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
	if err == nil || err == unix.ENOENT {
		return nil
	}
	return &os.PathError{Op: "rmdir", Path: name, Err: err}
}

// level is a directory on the way to where a walk is.
type level struct {
	name string
	left []string // directories in it that are still to be walked
}

// walk calls visit with a descriptor of each directory, top's first, and leave
// after all in it, but for top, with one of the directory that it is in and its
// name. However deep it goes, it has two descriptors open. It goes on after
// errors, and returns the first, but for those of directories that are no more.
func walk(top int, visit func(fd int) error, leave func(up int, name string) error) (first error) {
	note := func(err error) {
		if first == nil && !noMore(err) {
			first = err
		}
	}
	at, err := openDir(top, ".")
	if err != nil {
		return err
	}
	defer func() { unix.Close(at) }()
	enter := func(name string) level {
		if visit != nil {
			note(visit(at))
		}
		left, err := directories(at)
		note(err)
		return level{name, left}
	}
	way := []level{enter("")}
	for seen := 0; seen < maxBelow; {
		here := &way[len(way)-1]
		next, up := "..", true
		if n := len(here.left); n > 0 {
			next, up = here.left[n-1], false
			here.left = here.left[:n-1]
			seen++
		} else if len(way) == 1 {
			return first
		}
		fd, err := openDir(at, next)
		if err != nil && up {
			return cmp.Or(first, err) // the way back is lost
		}
		if err != nil {
			note(err)
			continue
		}
		unix.Close(at)
		at = fd
		if !up {
			way = append(way, enter(next))
			continue
		}
		if way = way[:len(way)-1]; leave != nil {
			note(leave(at, here.name))
		}
	}
	note(unix.E2BIG)
	return first
}

// directories are the names of those in a directory.
func directories(fd int) (names []string, err error) {
	fd, err = openDir(fd, ".") // its own place to read from
	if err != nil {
		return nil, err
	}
	dir := os.NewFile(uintptr(fd), "cgroup")
	defer dir.Close()
	list, err := dir.ReadDir(-1)
	for _, e := range list {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

func openDir(at int, name string) (int, error) {
	fd, err := openAt(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return fd, nil
}

// openAt opens a file of a directory.
func openAt(dir int, name string, flags int) (int, error) {
	fd, err := unix.Openat(dir, name, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	return highfd.Raise(fd)
}

// readFile is what a small file of a directory has.
func readFile(dir int, name string) ([]byte, error) {
	fd, err := openAt(dir, name, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var text []byte
	for {
		text = slices.Grow(text, 4096)
		n, err := unix.Read(fd, text[len(text):cap(text)])
		switch {
		case err == unix.EINTR:
		case err != nil || n == 0:
			return text, err
		default:
			text = text[:len(text)+n]
		}
	}
}

func writeFile(dir int, name, value string) error {
	fd, err := openAt(dir, name, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return writeAll(fd, value)
}

func writeAll(fd int, value string) error {
	for {
		if _, err := unix.Write(fd, []byte(value)); err != unix.EINTR {
			return err
		}
	}
}
