package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/plan"
)

// namespaces have the names of unshare(1), and those of /proc/PID/ns.
var namespaces = func() []named {
	list := []named{{"mount", plan.CloneNewNS}}
	for _, n := range plan.NamespaceKinds {
		list = append(list, named{n.Name, uint(n.Flag)})
	}
	return list
}()

// unshareable is what else can be left.
var unshareable = []named{{"files", unix.CLONE_FILES}, {"fs", unix.CLONE_FS}, {"sysvsem", unix.CLONE_SYSVSEM}}

const (
	mountBind      = unix.MS_BIND
	mountRecursive = unix.MS_REC
	mountRemount   = unix.MS_REMOUNT
	mountMove      = unix.MS_MOVE
)

// mountOptions are those of mount(8) that are not the file system's.
var mountOptions = []named{
	{"bind", unix.MS_BIND}, {"rbind", unix.MS_BIND | unix.MS_REC}, {"move", unix.MS_MOVE}, {"remount", unix.MS_REMOUNT},
	{"ro", unix.MS_RDONLY}, {"nosuid", unix.MS_NOSUID}, {"nodev", unix.MS_NODEV}, {"noexec", unix.MS_NOEXEC},
	{"nosymfollow", unix.MS_NOSYMFOLLOW}, {"noatime", unix.MS_NOATIME}, {"nodiratime", unix.MS_NODIRATIME},
	{"relatime", unix.MS_RELATIME}, {"strictatime", unix.MS_STRICTATIME}, {"lazytime", unix.MS_LAZYTIME},
	{"sync", unix.MS_SYNCHRONOUS}, {"dirsync", unix.MS_DIRSYNC}, {"mand", unix.MS_MANDLOCK}, {"silent", unix.MS_SILENT},
}

// mountClears are those that take back others, or the defaults.
var mountClears = []named{
	{"rw", unix.MS_RDONLY}, {"suid", unix.MS_NOSUID}, {"dev", unix.MS_NODEV}, {"exec", unix.MS_NOEXEC},
	{"symfollow", unix.MS_NOSYMFOLLOW}, {"atime", unix.MS_NOATIME}, {"diratime", unix.MS_NODIRATIME},
	{"norelatime", unix.MS_RELATIME}, {"nostrictatime", unix.MS_STRICTATIME}, {"nolazytime", unix.MS_LAZYTIME},
	{"async", unix.MS_SYNCHRONOUS}, {"nomand", unix.MS_MANDLOCK}, {"loud", unix.MS_SILENT},
	{"defaults", unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_SYNCHRONOUS},
}

var propagations = []named{
	{"private", unix.MS_PRIVATE}, {"rprivate", unix.MS_PRIVATE | unix.MS_REC},
	{"slave", unix.MS_SLAVE}, {"rslave", unix.MS_SLAVE | unix.MS_REC},
	{"shared", unix.MS_SHARED}, {"rshared", unix.MS_SHARED | unix.MS_REC},
	{"unbindable", unix.MS_UNBINDABLE}, {"runbindable", unix.MS_UNBINDABLE | unix.MS_REC},
}

// niceValue is that of this thread, which children inherit.
func niceValue() (int, error) {
	n, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	return 20 - n, os.NewSyscallError("getpriority", err) // the kernel counts the other way
}

// noSymFollow is ST_NOSYMFOLLOW.
const noSymFollow = 0x2000

// restrictions are those of the mount that a path is in here, if it is there.
func restrictions(path string) uint {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0
	}
	// Their numbers are those of mount(2), but for one.
	flags := uint(st.Flags) & (unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	if st.Flags&noSymFollow != 0 {
		flags |= unix.MS_NOSYMFOLLOW
	}
	return flags
}

// allOf are the namespaces of a process, as nsenter(1) has them: but for the user namespace
// where it is that of this process, which can't be entered, and for the time namespace, which
// a program can't be started in.
func allOf(pid int) (types uint, err error) {
	for _, n := range plan.NamespaceKinds {
		theirs, err := os.Stat(fmt.Sprintf("/proc/%d/ns/%s", pid, n.Name))
		own, unknown := os.Stat("/proc/self/ns/" + n.Name)
		switch {
		case unknown != nil, n.Flag == plan.CloneNewTime: // the kernel may have none
		case err != nil:
			return 0, errors.Unwrap(err)
		case n.Flag != plan.CloneNewUser || !os.SameFile(own, theirs):
			types |= uint(n.Flag)
		}
	}
	return types, nil
}

const pidNamespace = plan.CloneNewPID

// bindNamespace mounts a namespace of a process on a file.
func bindNamespace(pid int, kind uint, file string) error {
	for _, n := range plan.NamespaceKinds {
		if uint(n.Flag) != kind {
			continue
		}
		name := n.Name
		if kind == plan.CloneNewTime {
			name = "time_for_children" // before Linux 6.2 unshare is for them alone
		}
		err := os.NewSyscallError("mount", unix.Mount(fmt.Sprintf("/proc/%d/ns/%s", pid, name), file, "", unix.MS_BIND, ""))
		switch {
		case errors.Is(err, unix.EPERM):
			return fmt.Errorf("%w (needs CAP_SYS_ADMIN outside of the new namespaces)", err)
		case errors.Is(err, unix.EINVAL) && kind == plan.CloneNewNS:
			return fmt.Errorf("%w (a mount namespace stays on a file of a private mount)", err)
		}
		return err
	}
	return nil
}

// unbind undoes bindNamespace.
func unbind(file string) error {
	return os.NewSyscallError("umount", unix.Unmount(file, unix.MNT_DETACH))
}

// openProcess opens a pidfd.
func openProcess(pid int) (*os.File, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	return os.NewFile(uintptr(fd), "pidfd"), nil
}
