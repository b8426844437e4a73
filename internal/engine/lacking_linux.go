//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"cmp"
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// lacking is what a step needs of the kernel, and the version that brought it; nothing
// where it is not known to lack anything.
type lacking struct{ what, since string }

func (l lacking) errorFor(errno syscall.Errno) error {
	return &attr.UnsupportedError{What: l.what, Since: l.since, Err: errno}
}

// notLacking is an errno that says nothing about the kernel: only of what the kernel
// lacks an error is to match errors.ErrUnsupported, and package syscall has ENOSYS and
// EOPNOTSUPP do so whatever they are about.
func notLacking(errno syscall.Errno) error {
	if errno.Is(errors.ErrUnsupported) {
		return &unlike{errno}
	}
	return errno
}

// unlike is an errno but for errors.ErrUnsupported.
type unlike struct{ errno syscall.Errno }

func (u *unlike) Error() string { return u.errno.Error() }

func (u *unlike) Is(target error) bool {
	return target == error(u.errno) || target != errors.ErrUnsupported && u.errno.Is(target)
}

// As lets errors.As find the errno.
func (u *unlike) As(target any) bool {
	errno, ok := target.(*syscall.Errno)
	if ok {
		*errno = u.errno
	}
	return ok
}

// failed is a step and its errno.
type failed struct {
	step  string
	errno syscall.Errno
}

// lacks is what a step needs of the kernel, where its errno can mean nothing else.
// Go runs on Linux 3.2 and later, so what is older is not here.
var lacks = []struct {
	failed
	lacking
}{
	{failed{plan.StepNoNewPrivs, unix.EINVAL}, lacking{"no_new_privs", "3.5"}},
	{failed{plan.StepSubreaper, unix.EINVAL}, lacking{"PR_SET_CHILD_SUBREAPER", "3.4"}},
	{failed{plan.StepCoreSched, unix.EINVAL}, lacking{"CONFIG_SCHED_CORE", "5.14"}},
	{failed{plan.StepCoreSched, unix.ENODEV}, lacking{"a CPU with SMT", ""}},
	{failed{plan.StepMDWE, unix.EINVAL}, lacking{"PR_SET_MDWE", "6.3"}},
	{failed{plan.StepTHPDisable, unix.EINVAL}, lacking{"PR_SET_THP_DISABLE", "3.15"}},
	{failed{plan.StepMemoryMerge, unix.EINVAL}, lacking{"CONFIG_KSM", "6.4"}},
	{failed{plan.StepSched, unix.ENOSYS}, lacking{"sched_setattr", "3.14"}},
	{failed{plan.StepSchedUtil, unix.ENOSYS}, utilClamps},
	{failed{plan.StepSchedUtil, unix.E2BIG}, utilClamps},
	{failed{plan.StepSchedUtil, unix.ENOTSUP}, utilClamps},
	{failed{plan.StepMempolicy, unix.ENOSYS}, lacking{"CONFIG_NUMA", ""}},
	{failed{plan.StepIOPrio, unix.ENOSYS}, lacking{"CONFIG_BLOCK", ""}},
	{failed{plan.StepKeyring, unix.ENOSYS}, lacking{"CONFIG_KEYS", ""}},
	{failed{plan.StepLandlock, unix.ENOSYS}, lacking{"CONFIG_SECURITY_LANDLOCK", "5.13"}},
	{failed{plan.StepLandlock, unix.ENOTSUP}, lacking{"Landlock to be enabled, as by lsm=landlock at boot", ""}},
	{failed{plan.StepLandlock, unix.EINVAL}, lacking{"flags of landlock_restrict_self", "6.15"}},
	{failed{plan.StepSeccomp, unix.ENOSYS}, lacking{"CONFIG_SECCOMP_FILTER", "3.17"}},
	{failed{plan.StepSetgroups, unix.ENOSYS}, multiUser},
	{failed{plan.StepSetresgid, unix.ENOSYS}, multiUser},
	{failed{plan.StepSetresuid, unix.ENOSYS}, multiUser},
	{failed{plan.StepCapset, unix.ENOSYS}, multiUser},
	{failed{plan.StepSecurebits, unix.ENOSYS}, multiUser},
	{failed{plan.StepLoopback, unix.EAFNOSUPPORT}, lacking{"CONFIG_INET", ""}},
	{failed{plan.StepMount, unix.ENODEV}, lacking{"this file system in the kernel", ""}},
	{failed{plan.StepNewRoot, unix.ENODEV}, lacking{"this file system in the kernel", ""}},
	{failed{plan.StepOpenTree, unix.ENOSYS}, lacking{"open_tree and mount_setattr", "5.12"}},
	{failed{plan.StepOOMScoreAdj, unix.ENOENT}, procMounted},
	{failed{plan.StepCoredumpFilter, unix.ENOENT}, lacking{"/proc to be mounted, and CONFIG_ELF_CORE", ""}},
	{failed{plan.StepUIDMap, unix.ENOENT}, procMounted},
	{failed{plan.StepGIDMap, unix.ENOENT}, procMounted},
	{failed{plan.StepTimensOffsets, unix.ENOENT}, lacking{"/proc to be mounted, and CONFIG_TIME_NS", "5.6"}},
	{failed{plan.StepSetgroups, unix.ENOENT}, lacking{"/proc to be mounted, with a file setgroups", "3.19"}},
}

var (
	utilClamps  = lacking{"CONFIG_UCLAMP_TASK", "5.3"}
	multiUser   = lacking{"CONFIG_MULTIUSER", ""}
	procMounted = lacking{"/proc to be mounted", ""}
)

// lacksOf finds what is lacking; its zero value is nothing that is known.
func lacksOf(f failed) lacking {
	for _, l := range lacks {
		if l.failed == f {
			return l.lacking
		}
	}
	return lacking{}
}

// stepError is the error of a step of the child other than execve.
func (p *Program) stepError(step raw.Step, errno syscall.Errno) *plan.Error {
	e := &plan.Error{Part: plan.Part(step.Part), Step: step.Name, Index: step.Index, Object: p.objectOf(step)}
	if a := p.actionOf(step); a != nil {
		e.Err, e.Hint = notLacking(errno), cmp.Or(p.diag.unmapped(errno), p.diag.refusedOfFile(a, errno))
		return e
	}
	if step.Name == plan.StepCgroup {
		p.refusedByCgroup(e, errno)
		return e
	}
	e.Err = p.whyFailed(step, errno)
	if e.Err == error(errno) {
		e.Err, e.Hint = p.ofStep(step, errno), p.hintOf(step, errno)
	}
	return e
}

// parentError is the error of a step that this process was to do while the child waits.
func (p *Program) parentError(err error) error {
	var e *plan.Error
	var errno syscall.Errno
	if errors.As(err, &e) && errors.As(err, &errno) && e.Hint == "" {
		e.Hint = p.diag.denied(raw.Step{Name: e.Step, Part: uint8(e.Part), Index: e.Index}, errno)
	}
	return err
}

// actionOf is the file action that a step belongs to, or nil.
func (p *Program) actionOf(step raw.Step) *plan.Action {
	if plan.Part(step.Part) != plan.PartAction {
		return nil
	}
	return &p.actions[step.Index]
}

// ofStep is an errno that says what the kernel lacks only where it is ENOSYS of a
// call that is about no file.
func (p *Program) ofStep(step raw.Step, errno syscall.Errno) error {
	switch step.Name {
	case plan.StepMount, plan.StepPrivateMounts, plan.StepPivotRoot, plan.StepNewRoot, plan.StepMkdir, plan.StepSymlink, plan.StepChroot,
		plan.StepCtty, plan.StepNoctty, plan.StepForeground,
		plan.StepOOMScoreAdj, plan.StepCoredumpFilter, plan.StepTimensOffsets, plan.StepSELinux, plan.StepAppArmor, plan.StepUIDMap, plan.StepGIDMap, plan.StepSetgroups:
		return notLacking(errno)
	}
	if errno != unix.ENOSYS {
		return notLacking(errno)
	}
	return errno
}

// hintOf is more about a step of an attribute.
func (p *Program) hintOf(step raw.Step, errno syscall.Errno) string {
	if hint := cmp.Or(p.unfit(step, errno), p.diag.unmapped(errno)); hint != "" {
		return hint
	}
	switch errno {
	case unix.EPERM, unix.EACCES:
		if p.here != nil && step.Name == plan.StepSetsid {
			return "this process leads a process group, as each job of a shell does, and there is no child that does not"
		}
		return p.diag.denied(step, errno)
	case unix.EINVAL:
		switch step.Name {
		case plan.StepSetresuid, plan.StepSetresgid, plan.StepSetgroups:
			return "an id that is not mapped in the user namespace"
		}
	case unix.ERANGE:
		if step.Name == plan.StepTimensOffsets {
			return "a clock would be negative, or beyond 146 years"
		}
	case unix.EBUSY, unix.EMFILE:
		if step.Name == plan.StepSeccomp && p.listens != nil {
			return noListener(errno)
		}
	}
	if step.Name == plan.StepUnshare {
		return p.noNamespace(step.Name, p.argument(raw.Unshare, 0), errno)
	}
	return ""
}

// whyFailed is the error of a step of the child.
func (p *Program) whyFailed(step raw.Step, errno syscall.Errno) error {
	l := lacksOf(failed{step.Name, errno})
	if errno == unix.EINVAL && l.what == "" {
		l = p.lacksForEINVAL(step)
	}
	if l.what == "" {
		return errno
	}
	return l.errorFor(errno)
}

// lacksForEINVAL is lacks where only the kernel itself can tell. It is asked now
// that the step has failed.
func (p *Program) lacksForEINVAL(step raw.Step) lacking {
	switch step.Name {
	case plan.StepAmbient:
		if !knowsPrctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_IS_SET, 0) {
			return lacking{"PR_CAP_AMBIENT", "4.3"}
		}
		return lacking{"a kernel that knows this capability", ""}
	case plan.StepSeccomp:
		return lacksFilter(p.argument(raw.Seccomp, 1))
	case plan.StepUnshare:
		return lacksNamespaces(p.argument(raw.Unshare, 0))
	case plan.StepSetns:
		// A capability came with that version, too.
		if p.joinsByPidfd(step.Index) && !knowsPrctl(unix.PR_CAPBSET_READ, unix.CAP_BPF, 0) {
			return lacking{"setns for a pidfd", "5.8"}
		}
	}
	return lacking{}
}

// argument is a number that the child's first call of a kind gets.
func (p *Program) argument(sys raw.Sys, i int) uint64 {
	for _, c := range p.prog.Calls() {
		if c.Sys == sys {
			return c.Args[i].Num
		}
	}
	return 0
}

func knowsPrctl(option int, arg2, arg3 uintptr) bool {
	_, err := unix.PrctlRetInt(option, arg2, arg3, 0, 0)
	return err != unix.EINVAL
}

// lacksFilter asks for a filter at no address: a kernel that knows the flags says
// EFAULT.
func lacksFilter(flags uint64) lacking {
	for _, x := range []struct {
		bit uint64
		lacking
	}{
		{0, lacking{"CONFIG_SECCOMP_FILTER", "3.5"}},
		{unix.SECCOMP_FILTER_FLAG_LOG, lacking{"SECCOMP_FILTER_FLAG_LOG", "4.14"}},
		{unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, lacking{"SECCOMP_FILTER_FLAG_SPEC_ALLOW", "4.17"}},
		{unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, lacking{"SECCOMP_FILTER_FLAG_NEW_LISTENER", "5.0"}},
		{unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
			lacking{"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", "5.19"}},
	} {
		if flags&x.bit != x.bit {
			continue
		}
		if _, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, uintptr(x.bit), 0); errno == unix.EINVAL {
			return x.lacking
		}
	}
	return lacking{}
}

// lacksNamespaces is the first of the namespaces that the kernel does not have.
func lacksNamespaces(flags uint64) lacking {
	for _, k := range plan.NamespaceKinds {
		if flags&k.Flag != 0 && !kernel.HasNamespaces(k.Name) {
			return lacking{k.Needs, k.Since}
		}
	}
	return lacking{}
}

// joinsByPidfd reports whether namespaces are joined by a pidfd.
func (p *Program) joinsByPidfd(index int) bool {
	for _, h := range p.files {
		if h.step == plan.StepSetns && h.index == index {
			target, _ := os.Readlink("/proc/self/fd/" + strconv.Itoa(h.fd))
			return strings.Contains(target, "pidfd")
		}
	}
	return false
}
