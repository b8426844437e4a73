//go:build unix

package forkexec

import (
	"errors"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/plan"
)

// checkAttributes finds nothing: what can't be done has been found.
func checkAttributes(attr.List) error { return nil }

// spare is how many numbers above those of the child package syscall needs on
// the way, one for its pipe and one for each file that it has to move.
func (p *Program) spare() int { return len(p.files.needs) + 2 }

// checkActions finds what the parent can't do for the child.
func (p *Program) checkActions() error {
	limit := highfd.Limit()
	for i := range p.actions {
		x := &p.actions[i]
		var what string
		switch x.Kind {
		case plan.ActOpen, plan.ActOpenAt:
			what = p.openProblem()
		case plan.ActFchdir:
			if runtime.GOOS != "linux" {
				what = "FileActions.Fchdir"
			} else if p.attr.Chroot != "" {
				what = "FileActions.Fchdir with attr.Chroot"
			}
		case plan.ActTcsetpgrp:
			if !p.attr.Setpgid {
				what = "FileActions.Tcsetpgrp without attr.Setpgid"
			}
		}
		if x.Changes() || x.Kind == plan.ActDup2 {
			if x.FD >= limit {
				return x.ErrorAt(i, plan.Invalid("descriptor %d is out of range, RLIMIT_NOFILE is %d", x.FD, limit))
			}
			if x.FD >= limit-p.spare() {
				what = "a descriptor so close to RLIMIT_NOFILE"
			}
		}
		if what != "" {
			return x.ErrorAt(i, unsupported(what))
		}
	}
	return nil
}

// openProblem says why a file can't be opened by the parent: it is to be opened
// in another root directory, or with other rights.
func (p *Program) openProblem() string {
	if p.attr.Chroot != "" {
		return "FileActions.Open with attr.Chroot"
	}
	c := p.attr.Credential
	if c == nil || c.KeepGroups && int(c.UID) == os.Geteuid() && int(c.GID) == os.Getegid() {
		return ""
	}
	if indexOf[attr.ResetIDs](p.list) >= 0 {
		return "FileActions.Open with attr.ResetIDs"
	}
	return "FileActions.Open with attr.Credential"
}

// get opens, duplicates or looks. All files are duplicates made here, for two
// reasons: os.StartProcess calls Fd, which makes the open file blocking if package
// os made it non-blocking, but not one that comes from os.NewFile; and no *os.File
// ever owns a number that somebody else may close.
func (n *need) get(held heldFiles) (heldFile, error) {
	var fd int
	var err error
	switch n.kind {
	case needNumber:
		if n.action < 0 && !inheritable(n.fd) {
			return heldFile{}, nil
		}
		fd, err = highfd.Dup(n.fd)
		if n.action < 0 && err == unix.EBADF {
			return heldFile{}, nil
		}
	case needFile:
		fd, err = duplicateFile(n.file)
	case needOpen:
		fd, err = n.open(held)
	case needDir:
		return heldFile{}, n.checkDir(held)
	}
	if err != nil {
		return heldFile{}, err
	}
	return heldFile{os.NewFile(uintptr(fd), "spawn"), true}, nil
}

func duplicateFile(f *os.File) (fd int, err error) {
	err = highfd.WithNumber(f, func(n int) error {
		fd, err = highfd.DupBlocking(n)
		return err
	})
	return fd, err
}

// open opens a file as the child would, not as os.OpenFile does, which makes
// pipes and terminals non-blocking. A terminal must not become this process's.
func (n *need) open(held heldFiles) (int, error) {
	flag := n.flag | unix.O_CLOEXEC | unix.O_NOCTTY
	for {
		fd, err := unix.Openat(n.at.base(held), n.at.path, flag, plan.ModeBits(n.perm))
		switch err {
		case nil:
			return highfd.Raise(fd)
		case unix.EINTR:
		default:
			return -1, err
		}
	}
}

// base is the directory that the path is relative to.
func (p place) base(held heldFiles) int {
	if p.dir == none {
		return unix.AT_FDCWD
	}
	return int(held[p.dir].Fd())
}

// checkDir does what chdir does, but for the change.
func (n *need) checkDir(held heldFiles) error {
	var st unix.Stat_t
	if n.at.path == "" {
		if err := unix.Fstat(n.at.base(held), &st); err != nil {
			return err
		}
	} else if err := unix.Fstatat(n.at.base(held), n.at.path, &st, 0); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return unix.ENOTDIR
	}
	if n.at.path == "" || os.Getuid() != os.Geteuid() || os.Getgid() != os.Getegid() {
		return nil // faccessat asks for the real ids
	}
	return unix.Faccessat(n.at.base(held), n.at.path, unix.X_OK, 0)
}

// procAttr says to os.StartProcess what to do.
func (p *Program) procAttr(held *heldFiles, base *syscall.SysProcAttr) (*os.ProcAttr, error) {
	f := &p.files
	files := make([]*os.File, p.tableSize())
	f.place(*held, files)
	if plan.InheritsAll(p.actions) {
		if err := p.inheritRest(held, files); err != nil {
			return nil, err
		}
	}
	sys := &syscall.SysProcAttr{}
	if base != nil {
		*sys = *base
	}
	sys.Setsid, sys.Setpgid, sys.Pgid, sys.Chroot = p.attr.Setsid, p.attr.Setpgid, p.attr.Pgid, p.attr.Chroot
	if c := p.attr.Credential; c != nil {
		sys.Credential = &syscall.Credential{Uid: c.UID, Gid: c.GID, Groups: c.Groups, NoSetGroups: c.KeepGroups}
	}
	if err := p.setCgroup(held, sys); err != nil {
		return nil, err
	}
	if p.tty >= 0 {
		sys.Setctty, sys.Ctty = true, p.tty
	}
	if f.foreground != none {
		if sys.Foreground {
			i := f.tcsetpgrp
			return nil, p.actions[i].ErrorAt(i, plan.Invalid("SysProcAttr.Foreground does it, too"))
		}
		sys.Foreground, sys.Ctty = true, int((*held)[f.foreground].Fd())
	}
	return &os.ProcAttr{Dir: p.dir(*held), Env: p.env, Files: files, Sys: sys}, nil
}

// dir is the working directory for the child. A directory that is only known by
// its descriptor has a name on Linux.
func (p *Program) dir(held heldFiles) string {
	cwd := p.files.cwd
	if cwd.dir == none {
		return cwd.path
	}
	return "/proc/self/fd/" + strconv.Itoa(cwd.base(held)) + "/" + cwd.path
}

// tableSize is how many descriptors package syscall has to see to: it closes
// those below that number which have no file.
func (p *Program) tableSize() int {
	f := &p.files
	top := 0
	for n := range f.table {
		top = max(top, n+1)
	}
	if plan.InheritsAll(p.actions) && f.closedFrom == math.MaxInt {
		return top
	}
	return max(top, lastInheritable(f.closedFrom != math.MaxInt)+1)
}

// lastInheritable is the highest descriptor of this process that is not
// close-on-exec, or -1. Where there is no list to read it tries one after the
// other if it must, and otherwise does not look.
func lastInheritable(must bool) int {
	last := -1
	look := func(fd int) {
		if fd > last && inheritable(fd) {
			last = fd
		}
	}
	switch runtime.GOOS {
	case "linux", "android", "darwin", "ios":
		if list, err := os.ReadDir("/dev/fd"); err == nil {
			for _, e := range list {
				if fd, err := strconv.Atoi(e.Name()); err == nil {
					look(fd)
				}
			}
			return last
		}
	}
	if must {
		for fd := range highfd.Limit() {
			look(fd)
		}
	}
	return last
}

func inheritable(fd int) bool {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil && flags&unix.FD_CLOEXEC == 0
}

// inheritRest fills the gaps in files, which would be closed.
func (p *Program) inheritRest(held *heldFiles, files []*os.File) error {
	for n := 3; n < len(files); n++ {
		if files[n] != nil || p.files.closed(n) || !inheritable(n) {
			continue
		}
		fd, err := highfd.Dup(n)
		if err != nil {
			i := slices.IndexFunc(p.actions, func(x plan.Action) bool { return x.Kind == plan.ActInheritAll })
			return &plan.Error{Part: plan.PartAction, Step: plan.ActInheritAll.String(), Index: i, Object: strconv.Itoa(n), Err: err}
		}
		files[n] = os.NewFile(uintptr(fd), "spawn")
		*held = append(*held, heldFile{files[n], true})
	}
	return nil
}

// busy reports whether a program is open for writing.
func busy(err error) bool { return errors.Is(err, syscall.ETXTBSY) }
