//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package kernel

import (
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/raw"
)

// Attributes is what some attributes need of the kernel.
type Attributes struct {
	Landlock         int // the version of its interface; 0: none
	Seccomp          bool
	UserNamespaces   bool
	CgroupNamespaces bool
	TimeNamespaces   bool
}

// ForAttributes finds out, with children that are tried each time: what a filter or a
// limit lets a process have may change. What a shortage keeps from being found out is
// taken to be there.
func ForAttributes() (a Attributes) {
	WithOwnChildren(func() {
		a = Attributes{
			Landlock:         landlockVersion(),
			Seccomp:          try(0, installFilter).succeeds(),
			UserNamespaces:   tryUserNamespace().succeeds(),
			CgroupNamespaces: HasNamespaces("cgroup"),
			TimeNamespaces:   HasNamespaces("time"),
		}
	})
	return a
}

// trial is what came of a child.
type trial struct {
	errno  syscall.Errno // there was none
	status syscall.WaitStatus
}

func (t trial) succeeds() bool {
	if t.errno != 0 {
		return shortage(t.errno) || t.errno == unix.ECHILD // somebody else has waited for it
	}
	return t.status.Exited() && t.status.ExitStatus() == 0
}

// try makes a child that makes some calls, and ends with status 0 unless these fail,
// or end it otherwise. With filters it has a copy of the memory: see findKillers.
func try(flags uint64, calls func(b *raw.Builder)) trial {
	if f := Here(); flags == 0 && f.SharedMemory && f.mode() == 0 {
		flags = unix.CLONE_VM | unix.CLONE_VFORK
	}
	return tryWith(flags, calls)
}

// tryWith is try with these flags and no others.
func tryWith(flags uint64, calls func(b *raw.Builder)) trial {
	var b raw.Builder
	b.Step(raw.Step{Name: "probe", Index: -1})
	if calls != nil {
		calls(&b)
	}
	b.Call(0, raw.ExitGroup, raw.Int(0))
	r := raw.NewRun(b.Build())
	defer r.Free()
	pid, errno := r.Start(raw.Clone{Flags: flags, Legacy: true, ErrFD: -1, Silent: true})
	if errno != 0 {
		return trial{errno: errno}
	}
	var x raw.Exit
	errno = reap(pid, Here().Waitid, &x)
	return trial{errno, x.Status}
}

// tryUserNamespace makes a child in a user namespace of its own. It has a copy of
// the memory, which others may reach there who may not reach this process.
func tryUserNamespace() trial {
	t := try(unix.CLONE_NEWUSER, nil)
	if t.errno == unix.ENOSPC || t.errno == unix.EUSERS {
		t.errno = unix.EPERM // there may be no more of them, or none at all
	}
	return t
}

// installFilter installs a filter that allows all.
func installFilter(b *raw.Builder) {
	zero := raw.Int(0)
	allow := raw.Instruction(unix.BPF_RET|unix.BPF_K, 0, 0, unix.SECCOMP_RET_ALLOW)
	b.Call(0, raw.Prctl, raw.Int(unix.PR_SET_NO_NEW_PRIVS), raw.Int(1), zero, zero, zero)
	b.Call(0, raw.Seccomp, raw.Int(unix.SECCOMP_SET_MODE_FILTER), zero, b.Filter(allow))
}

// landlockVersion is the version of Landlock's interface, which is the status of a
// child. It is 0 where there is none, or where Landlock is not active.
func landlockVersion() int {
	t := try(0, func(b *raw.Builder) {
		version := b.Var()
		b.Call(0, raw.LandlockRuleset, raw.Int(0), raw.Int(0), raw.Int(unix.LANDLOCK_CREATE_RULESET_VERSION)).Keep(version)
		b.Call(0, raw.ExitGroup, raw.VarArg(version, 0))
	})
	const failed = 127
	if t.errno != 0 || !t.status.Exited() || t.status.ExitStatus() == failed {
		return 0
	}
	return t.status.ExitStatus()
}
