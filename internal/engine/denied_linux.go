//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/names"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// capNeed is the capability that a step takes, as docs/attributes.md has it.
type capNeed struct {
	capability int
	initial    bool   // in the initial user namespace, whatever the child is in
	late       bool   // after ids and capabilities have changed
	or         string // what does instead
}

// capNeeds are the needs of steps. A slice costs nothing when a program starts, where
// a map is made each time; so it is with the other tables for errors.
var capNeeds = []struct {
	step string
	capNeed
}{
	{plan.StepNice, capNeed{unix.CAP_SYS_NICE, true, false, "RLIMIT_NICE"}},
	{plan.StepSched, capNeed{unix.CAP_SYS_NICE, true, false, "RLIMIT_RTPRIO for FIFO and RR"}},
	{plan.StepIOPrio, capNeed{unix.CAP_SYS_NICE, true, false, "before Linux 5.14 CAP_SYS_ADMIN"}},
	{plan.StepRlimit, capNeed{unix.CAP_SYS_RESOURCE, true, false, ""}},
	{plan.StepOOMScoreAdj, capNeed{unix.CAP_SYS_RESOURCE, true, false, ""}},
	{plan.StepMemoryMerge, capNeed{unix.CAP_SYS_RESOURCE, true, false, "Linux 6.7"}},
	{plan.StepSetgroups, capNeed{unix.CAP_SETGID, false, false, ""}},
	{plan.StepSetresgid, capNeed{unix.CAP_SETGID, false, false, ""}},
	{plan.StepSetresuid, capNeed{unix.CAP_SETUID, false, false, ""}},
	{plan.StepUIDMap, capNeed{unix.CAP_SETUID, false, false, "no more than the own id"}},
	{plan.StepGIDMap, capNeed{unix.CAP_SETGID, false, false, "no more than the own id, without Setgroups"}},
	{plan.StepBounding, capNeed{unix.CAP_SETPCAP, false, false, ""}},
	{plan.StepSecurebits, capNeed{unix.CAP_SETPCAP, false, true, ""}},
	{plan.StepSeccomp, capNeed{unix.CAP_SYS_ADMIN, false, true, "no_new_privs"}},
	{plan.StepLandlock, capNeed{unix.CAP_SYS_ADMIN, false, true, "no_new_privs"}},
	{plan.StepCtty, capNeed{unix.CAP_SYS_ADMIN, true, true, "a terminal that is no other session's"}},
	{plan.StepClone, capNeed{unix.CAP_SYS_ADMIN, false, false, "a new user namespace with it"}},
	{plan.StepUnshare, capNeed{unix.CAP_SYS_ADMIN, false, false, "a new user namespace with it"}},
	{plan.StepSetns, capNeed{unix.CAP_SYS_ADMIN, false, false, ""}},
	{plan.StepTimensOffsets, capNeed{unix.CAP_SYS_TIME, false, false, ""}},
	{plan.StepMount, capNeed{unix.CAP_SYS_ADMIN, false, false, ""}},
	{plan.StepPrivateMounts, capNeed{unix.CAP_SYS_ADMIN, false, false, ""}},
	{plan.StepPivotRoot, capNeed{unix.CAP_SYS_ADMIN, false, false, ""}},
	{plan.StepNewRoot, capNeed{unix.CAP_SYS_ADMIN, false, false, ""}},
	{plan.StepOpenTree, capNeed{unix.CAP_SYS_ADMIN, false, false, ""}},
	{plan.StepSethostname, capNeed{unix.CAP_SYS_ADMIN, false, false, ""}},
	{plan.StepSetdomainname, capNeed{unix.CAP_SYS_ADMIN, false, false, ""}},
	{plan.StepLoopback, capNeed{unix.CAP_NET_ADMIN, false, false, ""}},
	{plan.StepChroot, capNeed{unix.CAP_SYS_CHROOT, false, false, ""}},
}

func capNeedOf(step string) (capNeed, bool) {
	for _, n := range capNeeds {
		if n.step == step {
			return n.capNeed, true
		}
	}
	return capNeed{}, false
}

// missingCap names the capability that a step takes and that the child does not
// have, as far as can be known: a capability that is there is not why.
func (v *view) missingCap(step string) string {
	n, ok := capNeedOf(step)
	if !ok {
		return ""
	}
	mine, err := threadCaps()
	if err != nil {
		return ""
	}
	inner := v.userns || !inInitialUserNamespace()
	has, maps := mine.effective.has(n.capability), step == plan.StepUIDMap || step == plan.StepGIDMap
	switch {
	case maps && v.ownMaps:
		return "a child that made the namespace by itself, with unshare, maps its own id only"
	case n.initial && inner:
		return orElse("needs "+names.Capability(n.capability)+" in the initial user namespace", n.or)
	case v.userns && !maps:
		return "" // where it has them all
	case n.late && (v.setsIDs || v.changesCaps()):
	case has && step == plan.StepSetns && !mine.effective.has(unix.CAP_SYS_CHROOT):
		return "needs " + names.Capability(unix.CAP_SYS_CHROOT) + " for a mount namespace"
	case has && step == plan.StepUIDMap && !mine.effective.has(unix.CAP_SETFCAP):
		return "needs " + names.Capability(unix.CAP_SETFCAP) + ", to map uid 0"
	case has:
		return ""
	}
	return orElse("needs "+names.Capability(n.capability), n.or)
}

func orElse(text, or string) string {
	if or == "" {
		return text
	}
	return text + ", or " + or
}

// denied is why a step of the child was refused.
func (d *diagnosis) denied(step raw.Step, errno syscall.Errno) string {
	switch step.Name {
	case plan.StepOOMScoreAdj, plan.StepCoredumpFilter, plan.StepSELinux, plan.StepAppArmor, plan.StepUIDMap, plan.StepGIDMap, plan.StepSetgroups:
		if errno == unix.EACCES && !isDumpable() {
			return "files of /proc are root's while this process is not dumpable (PR_SET_DUMPABLE)"
		}
	case plan.StepRlimit:
		if hint := d.aboveNrOpen(step.Index); hint != "" {
			return hint
		}
	case plan.StepPtrace, plan.StepSuspend:
		if n, ok := sysctl("kernel/yama/ptrace_scope"); ok && n > 1 {
			return fmt.Sprintf("kernel.yama.ptrace_scope is %d", n)
		}
	case plan.StepCapset, plan.StepAmbient:
		return d.notPermitted()
	case plan.StepSeccomp, plan.StepLandlock:
		return cmp.Or(d.missingCap(step.Name), d.withoutPrivs())
	case plan.StepUnshare:
		if d.userns {
			return cmp.Or(userNamespaceRefused(), filtered(step.Name))
		}
	}
	if step.Name == plan.StepSetgroups && groupsDenied() {
		return "setgroups is denied in this user namespace"
	}
	switch {
	case errno == unix.EPERM:
		return cmp.Or(d.missingCap(step.Name), filtered(step.Name))
	case step.Name == plan.StepOOMScoreAdj || step.Name == plan.StepNice:
		return d.missingCap(step.Name)
	}
	return ""
}

// filtered is about a step that filters of containers refuse, where no capability is known to
// be missing.
func filtered(step string) string {
	switch step {
	case plan.StepPtrace, plan.StepSuspend, plan.StepMempolicy, plan.StepKeyring: // which take none
	default:
		if _, ok := capNeedOf(step); !ok {
			return ""
		}
	}
	if mode, _ := kernel.Number("/proc/thread-self/status", "Seccomp"); mode == 0 {
		return ""
	}
	return "maybe refused by a seccomp filter of this process, as in a container"
}

// withoutPrivs is what a child may be without that is to restrict itself.
func (d *diagnosis) withoutPrivs() string {
	for _, a := range d.attrs {
		if _, ok := a.(attr.NoNewPrivs); ok {
			return ""
		}
	}
	return "without no_new_privs"
}

func isDumpable() bool {
	n, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	return err != nil || n == 1 || os.Geteuid() == 0
}

func groupsDenied() bool {
	text, err := highfd.ReadFile("/proc/thread-self/setgroups")
	return err == nil && strings.TrimSpace(string(text)) == "deny"
}

// aboveNrOpen is about a limit that no capability raises.
func (d *diagnosis) aboveNrOpen(index int) string {
	if index < 0 || index >= len(d.attrs) {
		return ""
	}
	var hard uint64
	switch x := d.attrs[index].(type) {
	case attr.NoFile:
		hard = x.Hard
	case attr.Rlimit:
		if x.Resource == unix.RLIMIT_NOFILE {
			hard = x.Hard
		}
	}
	if most, ok := sysctl("fs/nr_open"); ok && hard > uint64(most) {
		return fmt.Sprintf("fs.nr_open is %d", most)
	}
	return ""
}

// notPermitted names the capabilities that the child is to have and can't.
func (d *diagnosis) notPermitted() string {
	mine, err := threadCaps()
	if err != nil || d.userns {
		return ""
	}
	var want capSet
	raises := false
	for _, a := range d.attrs {
		switch a := a.(type) {
		case attr.AmbientCaps:
			want.add(a)
			raises = true
		case attr.Capabilities:
			want.add(a.Effective)
			want.add(a.Permitted)
			want.add(a.Ambient)
			raises = len(a.Ambient) > 0
			if beyond := capsOf(a.Inheritable) &^ mine.permitted; beyond != 0 && !mine.effective.has(unix.CAP_SETPCAP) {
				return "needs " + names.Capability(unix.CAP_SETPCAP) + " to make inheritable what is not permitted: " + beyond.String()
			}
		}
	}
	if beyond := want &^ mine.permitted; beyond != 0 {
		return "not permitted to this process: " + beyond.String()
	}
	const noAmbientRaise = 1 << 6 // SECBIT_NO_CAP_AMBIENT_RAISE
	if bits, err := unix.PrctlRetInt(unix.PR_GET_SECUREBITS, 0, 0, 0, 0); err == nil && raises && bits&noAmbientRaise != 0 {
		return "SECBIT_NO_CAP_AMBIENT_RAISE is set"
	}
	return ""
}

// tooCapable is about a program whose file has capabilities that it is sure to use
// and can't have.
func (d *diagnosis) tooCapable(f *found) *trouble {
	if f == nil || d.userns || f.flags&stNosuid != 0 {
		return nil
	}
	onFile, sure := fileCaps(f.path)
	mine, err := threadCaps()
	if err != nil || !sure {
		return nil
	}
	inheritable, bounding := mine.inheritable, boundingSet()
	for _, a := range d.attrs {
		switch a := a.(type) {
		case attr.AmbientCaps:
			inheritable.add(a)
		case attr.Capabilities:
			if a.Inheritable != nil {
				inheritable = capsOf(a.Inheritable)
			}
			if a.Bounding != nil {
				bounding &= capsOf(a.Bounding)
			}
		}
	}
	if beyond := onFile.permitted &^ (bounding | onFile.inheritable&inheritable); beyond != 0 {
		return &trouble{unix.EPERM, "its file has capabilities that the bounding set has not: " + beyond.String()}
	}
	return nil
}

// refusedOfFile is about a path of a file action.
func (d *diagnosis) refusedOfFile(a *plan.Action, errno syscall.Errno) string {
	if a.Kind != plan.ActOpen && a.Kind != plan.ActOpenAt && a.Kind != plan.ActChdir || d.moved && a.Path[0] != '/' ||
		a.Kind == plan.ActOpenAt && a.From != plan.AtFdcwd && a.Path[0] != '/' {
		return ""
	}
	e := d.eyes()
	f, why := d.lookup(&e, a.Path)
	if why != nil {
		if why.errno == errno {
			return why.hint
		}
		return ""
	}
	if errno != unix.EACCES {
		return ""
	}
	if a.Kind == plan.ActChdir {
		if e.may(f, mayExec) == no {
			return e.who() + " may not search it"
		}
		return ""
	}
	if mode := a.Flag & unix.O_ACCMODE; mode != unix.O_WRONLY && e.may(f, mayRead) == no {
		return e.who() + " may not read it"
	} else if (mode != unix.O_RDONLY || a.Flag&unix.O_TRUNC != 0) && e.may(f, mayWrite) == no {
		return e.who() + " may not write to it"
	}
	return ""
}
