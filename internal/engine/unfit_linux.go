//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// unfit is why the kernel does not take the thing that a step names: it is of another kind,
// or is not there.
func (p *Program) unfit(step raw.Step, errno syscall.Errno) string {
	switch (failed{step.Name, errno}) {
	case failed{plan.StepCtty, unix.ENOTTY}:
		return "not a terminal"
	case failed{plan.StepNoctty, unix.ENOTTY}, failed{plan.StepForeground, unix.ENOTTY}:
		return "not the controlling terminal"
	case failed{plan.StepSetpgid, unix.EPERM}:
		return "no such process group in this session"
	case failed{plan.StepAffinity, unix.EINVAL}:
		return online("CPUs", "cpu")
	case failed{plan.StepMempolicy, unix.EINVAL}:
		return online("nodes", "node")
	case failed{plan.StepSetns, unix.EINVAL}:
		return p.notOfNamespace(step.Index)
	case failed{plan.StepMount, unix.EPERM}:
		return p.refusedProc(step.Object)
	}
	return ""
}

// unmapped is why a child can't make a file: the file system has no place for its ids.
func (v *view) unmapped(errno syscall.Errno) string {
	switch {
	case errno != unix.EOVERFLOW:
		return ""
	case v.noIDs:
		return "no ids are mapped in the new user namespace, so no file can be made there; attr.IDMap is missing, such as attr.MapRoot"
	case v.userns:
		return "the child's uid or gid is not mapped in the user namespace of the file system"
	}
	return ""
}

// online says which CPUs or nodes of the machine are used.
func online(what, kind string) string {
	list := strings.TrimSpace(readText("/sys/devices/system/" + kind + "/online"))
	if list == "" {
		return ""
	}
	return "online " + what + ": " + list
}

// notOfNamespace says of a file that it is none of a namespace, or of another kind.
func (p *Program) notOfNamespace(index int) string {
	for _, h := range p.files {
		if h.step != plan.StepSetns || h.index != index {
			continue
		}
		var fs unix.Statfs_t
		if unix.Fstatfs(h.fd, &fs) != nil || p.joinsByPidfd(index) {
			return ""
		}
		if fs.Type != unix.NSFS_MAGIC {
			return "not the file of a namespace"
		}
		if kind, _, errno := unix.RawSyscall(unix.SYS_IOCTL, uintptr(h.fd), unix.NS_GET_NSTYPE, 0); errno == 0 {
			return "the file is that of a namespace of another kind: " + strings.Join(flagNames(uint64(kind)), "")
		}
	}
	return ""
}

// refusedProc is why a proc file system can't be mounted in a user namespace. object is what a
// step of mount acts on.
func (p *Program) refusedProc(object string) string {
	isProc := func(c raw.Call) bool {
		source, target := c.Args[0].Text, c.Args[1].Text
		return c.Sys == raw.Mount && c.Args[2].Text == "proc" && (object == target || object == source+" on "+target)
	}
	switch {
	case !p.diag.userns || !slices.ContainsFunc(p.prog.Calls(), isProc):
		return ""
	case p.clone.Bits&unix.CLONE_NEWPID == 0:
		return "proc shows a pid namespace, which must be of this user namespace, too"
	}
	return "a user namespace gets no whole /proc where the one outside is covered in part, as in a container"
}
