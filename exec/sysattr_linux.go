//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec

import (
	"errors"
	"math"
	"os"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/highfd"
)

// sysList is a list of attributes, and files that they need for the start.
type sysList struct {
	list  attr.List
	files []*os.File
}

func (l *sysList) add(a attr.Attr) { l.list = append(l.list, a) }

func (l *sysList) close() {
	for _, f := range l.files {
		f.Close()
	}
}

// nameOf is a descriptor's name in errors.
func nameOf(fd int) string { return "descriptor " + strconv.Itoa(fd) }

// borrow makes a file of somebody's descriptor of a cgroup.
func (l *sysList) borrow(fd int) (*os.File, error) {
	dup, err := highfd.Dup(fd)
	if err != nil {
		return nil, notOpen(spawn.StepCgroup, fd, err)
	}
	f := os.NewFile(uintptr(dup), nameOf(fd))
	l.files = append(l.files, f)
	return f, nil
}

// checkSys finds what os/exec finds before it makes a process, and what attributes
// would call invalid where a system call of os/exec's child has an error of its
// own.
func (c *Cmd) checkSys(path string, files []*os.File) error {
	sys := c.SysProcAttr
	if sys == nil {
		return nil
	}
	if name := sysFields.unknown(sys); name != "" {
		return &stepError{&spawn.Error{Path: path, Part: spawn.PartSpec, Step: spawn.StepSysProcAttr, Index: -1, Object: name, Err: errUnknownField}}
	}
	if sys.Setctty {
		if sys.Foreground {
			return errors.New("both Setctty and Foreground set in SysProcAttr")
		}
		if sys.Ctty >= len(files) {
			//lint:ignore ST1005 the text is that of package syscall
			return errors.New("Setctty set but Ctty not valid in child")
		}
		if !sys.Setsid && !hasType[attr.Setsid](c.Attr) {
			return &stepError{&spawn.Error{Path: path, Part: spawn.PartAttr, Step: spawn.StepCtty, Index: -1, Object: strconv.Itoa(sys.Ctty),
				Err: noTerminal(files, sys.Ctty), Hint: "without Setsid"}}
		}
	}
	if sys.Setsid && (sys.Setpgid || sys.Foreground) {
		return &stepError{&spawn.Error{Path: path, Part: spawn.PartAttr, Step: spawn.StepSetpgid, Index: -1, Object: strconv.Itoa(sys.Pgid),
			Err: syscall.EPERM, Hint: "with Setsid the group is the session's"}}
	}
	return nil
}

// checkNumbers finds numbers that no descriptor has, which attributes would call
// invalid.
func checkNumbers(foreground bool, tty int, h hardening) error {
	step, fd := "", 0
	switch never := func(n int) bool { return n < 0 || n > math.MaxInt32 }; {
	case foreground && never(tty):
		step, fd = spawn.StepForeground, tty
	case h.UseLandlock && never(h.LandlockFD):
		step, fd = spawn.StepLandlock, h.LandlockFD
	default:
		return nil
	}
	return notOpen(step, fd, syscall.EBADF)
}

// notOpen is the error of a descriptor that SysProcAttr has.
func notOpen(step string, fd int, err error) error {
	return &spawn.Error{Part: spawn.PartAttr, Step: step, Index: -1, Object: nameOf(fd), Err: err}
}

// noTerminal is why a file does not become the terminal of a process without a
// session.
func noTerminal(files []*os.File, n int) error {
	if n < 0 || files[n] == nil {
		return syscall.EBADF
	}
	if _, err := unix.IoctlGetTermios(int(files[n].Fd()), unix.TCGETS); err != nil {
		return err
	}
	return syscall.EPERM
}

// inheritIgnored makes the program ignore what this process ignores, as with
// nohup(1). It is not to be changed; it has no room for more.
var inheritIgnored = slices.Clip(attr.List{attr.InheritIgnored{}})

// attributes is Attr, and then what SysProcAttr says.
func (c *Cmd) attributes() (l sysList, err error) {
	sys := c.SysProcAttr
	if len(c.Attr) == 0 {
		l.list = inheritIgnored
	} else {
		l.list = slices.Clip(c.Attr)
		if !hasType[attr.InheritIgnored](c.Attr) {
			l.add(attr.InheritIgnored{})
		}
	}
	if c.tty != nil {
		defer func() { l.terminal(c.tty) }()
	}
	if sys == nil {
		return l, nil
	}
	l.namespaces(sys)
	l.privileges(sys)
	if sys.Pdeathsig != 0 {
		l.add(attr.ParentDeathSignal(sys.Pdeathsig))
	}
	if sys.Ptrace {
		l.add(attr.Ptrace{})
	}
	l.session(sys)
	h := hardeningOf(sys)
	err = errors.Join(checkNumbers(sys.Foreground, sys.Ctty, h), l.cgroup(sys))
	l.harden(h)
	return l, err
}

func (l *sysList) namespaces(sys *syscall.SysProcAttr) {
	// The others would be the engine's to decide, or are void: another namespace of
	// the same kind follows.
	const once = unix.CLONE_NEWCGROUP | unix.CLONE_NEWIPC | unix.CLONE_NEWNET | unix.CLONE_NEWTIME | unix.CLONE_NEWUTS
	void := unix.CLONE_VM | unix.CLONE_VFORK | uintptr(unix.SIGCHLD) | sys.Unshareflags&once
	if flags := sys.Cloneflags &^ void; flags != 0 {
		l.add(attr.Namespaces{Flags: uint(flags)})
	}
	if sys.Unshareflags != 0 {
		l.add(attr.Unshare{Flags: uint(sys.Unshareflags)})
	}
	if sys.UidMappings != nil || sys.GidMappings != nil {
		l.add(attr.IDMap{UID: sys.UidMappings, GID: sys.GidMappings, Setgroups: sys.GidMappingsEnableSetgroups})
	}
}

func (l *sysList) privileges(sys *syscall.SysProcAttr) {
	if sys.Chroot != "" {
		l.add(attr.Chroot(sys.Chroot))
	}
	if cr := sys.Credential; cr != nil {
		denied := sys.GidMappings != nil && !sys.GidMappingsEnableSetgroups && len(cr.Groups) == 0
		a := attr.Credential{UID: cr.Uid, GID: cr.Gid, KeepGroups: cr.NoSetGroups || denied, Root: true}
		if !a.KeepGroups {
			a.Groups = cr.Groups
		}
		l.add(a)
	}
	if len(sys.AmbientCaps) > 0 {
		caps := make(attr.AmbientCaps, len(sys.AmbientCaps))
		for i, c := range sys.AmbientCaps {
			caps[i] = attr.Capability(c)
		}
		l.add(caps)
	}
}

func (l *sysList) session(sys *syscall.SysProcAttr) {
	if sys.Setsid {
		l.add(attr.Setsid{})
	}
	if sys.Setpgid || sys.Foreground {
		l.add(attr.Setpgid{Pgid: sys.Pgid})
	}
	if sys.Foreground {
		l.add(attr.Foreground{FD: attr.FD(sys.Ctty)})
	}
	if sys.Noctty {
		l.add(attr.DetachTTY{})
	}
	if sys.Setctty {
		l.add(attr.ControllingTTY{FD: attr.FD(sys.Ctty), Steal: true})
	}
}

func (l *sysList) cgroup(sys *syscall.SysProcAttr) error {
	if !sys.UseCgroupFD {
		return nil
	}
	dir, err := l.borrow(sys.CgroupFD)
	if err != nil {
		return err
	}
	l.add(attr.Cgroup{Dir: dir})
	return nil
}
