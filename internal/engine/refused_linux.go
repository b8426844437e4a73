//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/names"
	"github.com/safespawn/spawn/internal/plan"
)

// cloneError says what a failure of clone is about.
func (p *Program) cloneError(errno syscall.Errno) error {
	e := &plan.Error{Part: plan.PartStart, Step: plan.StepClone, Index: -1, Err: notLacking(errno)}
	switch errno {
	case unix.EAGAIN:
		processLimit(p.cgroup.File).tell(e, errno)
	case unix.EMFILE:
		e.Hint = "no descriptor is left for the pidfd (RLIMIT_NOFILE)"
	case unix.ENFILE:
		e.Hint = "no file is left for the pidfd (fs.file-max)"
	case unix.ENOMEM:
		e.Hint = initGone()
	default:
		p.refusedByClone(e, errno)
	}
	return e
}

// refusedByClone is about what the child was to be made in.
func (p *Program) refusedByClone(e *plan.Error, errno syscall.Errno) {
	switch {
	case p.clone.Bits != 0 && (p.cgroup.File == nil || ofNamespaces(errno)):
		e.Part, e.Index, e.Object = plan.PartAttr, p.clone.Index, p.clone.Object
		if lacks := lacksNamespaces(p.clone.Bits); errno == unix.EINVAL && lacks.what != "" {
			e.Err = lacks.errorFor(errno)
			return
		}
		e.Hint = p.noNamespace(plan.StepClone, p.clone.Bits, errno)
	case p.cgroup.File != nil:
		e.Part, e.Step, e.Index, e.Object = plan.PartAttr, plan.StepCgroup, p.cgroup.Index, p.cgroup.Name()
		p.refusedByCgroup(e, errno)
	default:
		e.Err = errno
	}
}

// noNamespace is why namespaces can't be made.
func (p *Program) noNamespace(step string, flags uint64, errno syscall.Errno) string {
	switch errno {
	case unix.ENOSPC, unix.EUSERS:
		return namespaceLimit(flags)
	case unix.EPERM, unix.EACCES:
		if flags&unix.CLONE_NEWUSER != 0 {
			return cmp.Or(userNamespaceRefused(), filtered(step))
		}
		return cmp.Or(p.diag.missingCap(step), filtered(step))
	case unix.EINVAL:
		if elsewhere, _ := kernel.ChildrenElsewhere(); elsewhere && flags&unix.CLONE_NEWPID != 0 {
			return "this thread's children are to be in another pid namespace already"
		}
	}
	return ""
}

// namespaceLimit says which limit of namespaces is reached. The limits of outer
// user namespaces, and how deep this one is, can't be seen from here.
func namespaceLimit(flags uint64) string {
	var may []string
	for _, k := range plan.NamespaceKinds {
		if flags&k.Flag == 0 {
			continue
		}
		name := "max_" + k.Name + "_namespaces"
		most, ok := sysctl("user/" + name)
		if ok && countNamespaces(k.Name) >= most {
			return fmt.Sprintf("user.%s is %d", name, most)
		}
		may = append(may, "user."+name)
	}
	text := strings.Join(may, " or ") + " is reached, here or in an outer user namespace"
	if flags&(unix.CLONE_NEWUSER|unix.CLONE_NEWPID) != 0 {
		text += ", or they are nested 32 deep"
	}
	return text
}

// countNamespaces counts those that the processes of this user are in, as far as
// they can be seen.
func countNamespaces(kind string) int {
	own, _ := os.Readlink("/proc/thread-self/ns/" + kind)
	seen := map[string]bool{}
	eachProcess(func(dir string) {
		if ns, err := os.Readlink(dir + "/ns/" + kind); err == nil && ns != own && ownerOf(dir) == os.Geteuid() {
			seen[ns] = true
		}
	})
	return len(seen)
}

// ownerOf is the user of a process.
func ownerOf(dir string) int {
	var st unix.Stat_t
	if unix.Stat(dir, &st) != nil {
		return -1
	}
	return int(st.Uid)
}

// userNamespaceRefused is why a user namespace can't be made, which takes no
// capability.
func userNamespaceRefused() string {
	mine, _ := threadCaps()
	switch allowed, ok := sysctl("kernel/unprivileged_userns_clone"); {
	case ok && allowed == 0 && !mine.effective.has(unix.CAP_SYS_ADMIN):
		return "kernel.unprivileged_userns_clone is 0, and " + names.Capability(unix.CAP_SYS_ADMIN) + " is missing"
	case !mapped("uid_map", os.Geteuid()):
		return "this process's uid is not mapped in its user namespace"
	case !mapped("gid_map", os.Getegid()):
		return "this process's gid is not mapped in its user namespace"
	case isChrooted():
		return "the root directory of this process is not that of its mount namespace"
	}
	if restricted, ok := sysctl("kernel/apparmor_restrict_unprivileged_userns"); ok && restricted != 0 && !mine.effective.has(unix.CAP_SYS_ADMIN) {
		return "kernel.apparmor_restrict_unprivileged_userns is set"
	}
	return ""
}

// mapped reports whether an id is one of this thread's user namespace.
func mapped(file string, id int) bool {
	text, err := highfd.ReadFile("/proc/thread-self/" + file)
	if err != nil {
		return true
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line) // no fmt.Sscan: it would be in every program
		if len(f) != 3 {
			continue
		}
		first, err1 := strconv.ParseInt(f[0], 10, 64)
		n, err2 := strconv.ParseInt(f[2], 10, 64)
		if err1 == nil && err2 == nil && int64(id) >= first && int64(id) < first+n {
			return true
		}
	}
	return false
}

// isChrooted reports whether the root directory is known to be no mount's root.
func isChrooted() bool {
	text, err := highfd.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 4 && f[4] == "/" {
			return false
		}
	}
	return true
}

// initGone is about a pid namespace that no process can be made in any more.
func initGone() string {
	if elsewhere, _ := kernel.ChildrenElsewhere(); !elsewhere {
		return ""
	}
	ns, err := highfd.Open("/proc/thread-self/ns/pid_for_children", unix.O_RDONLY, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(ns)
	pid, _, errno := unix.RawSyscall(unix.SYS_IOCTL, uintptr(ns), unix.NS_GET_PID_FROM_PIDNS, 1) // Linux 6.11
	if errno == 0 && !isZombie(int(pid)) {
		return ""
	}
	return "the init of the pid namespace of this thread's children has ended"
}

func isZombie(pid int) bool {
	text, err := highfd.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	return err != nil || firstField(text, "State:") == "Z"
}

// cgroupHint is why a child can't be in a cgroup.
func cgroupHint(errno syscall.Errno) string {
	switch errno {
	case unix.EOPNOTSUPP:
		return "its type is domain invalid: it is below a threaded cgroup, see cgroup.type"
	case unix.EBUSY:
		return "controllers are on for cgroups below it (cgroup.subtree_control), so it can't have processes of its own"
	case unix.EACCES:
		return "to write to cgroup.procs is not allowed, there or in the common ancestor"
	case unix.ENODEV:
		return "it has been removed"
	case unix.ENOENT:
		return "it has been removed, or is outside of this process's cgroup namespace"
	case unix.ENOSPC:
		return "its cpuset has no CPUs, or no memory"
	}
	return ""
}

// refusedByCgroup says what a directory is, if not that of a cgroup of version 2,
// or else why the child can't be in it.
func (p *Program) refusedByCgroup(e *plan.Error, errno syscall.Errno) {
	if what := notACgroupButWhat(p.heldFD(plan.StepCgroup)); what != "" {
		e.Err, e.Hint = notACgroup{}, what
		return
	}
	e.Err, e.Hint = notLacking(errno), cgroupHint(errno)
}

func notACgroupButWhat(fd int) string {
	var fs unix.Statfs_t
	var st unix.Stat_t
	switch {
	case unix.Fstatfs(fd, &fs) != nil || unix.Fstat(fd, &st) != nil:
	case fs.Type == unix.CGROUP_SUPER_MAGIC:
		return "a directory of cgroups version 1, and not 2"
	case fs.Type != unix.CGROUP2_SUPER_MAGIC:
		return "it is in another file system"
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return "a file of a cgroup, and not its directory"
	}
	return ""
}

// notACgroup is bad input, which the kernel and os/exec call a bad descriptor.
type notACgroup struct{}

func (notACgroup) Error() string { return "not a cgroup of version 2" }

// Unwrap returns what the kernel says, and that it is bad input.
func (notACgroup) Unwrap() []error { return []error{unix.EBADF, unix.EINVAL} }
