package attr

import (
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/plan"
)

// SELinuxContext sets the security context of the program, such as
// "system_u:system_r:crond_t:s0". Without it the policy chooses the context. It
// excludes [AppArmorProfile].
//
// The child writes the context to /proc/self/attr/exec, before its root directory,
// credentials and [NoNewPrivs] change, so /proc must be there. The context takes
// effect at execve.
//
// If SELinux is not active, Compile returns an error that matches
// [errors.ErrUnsupported]. If Compile can't tell, Start returns it. Privilege: the
// policy must allow this process setexec and the transition. See selinux(8).
type SELinuxContext string

// AppArmorProfile sets the AppArmor profile of the program by name, like aa-exec
// -p. With [NoNewPrivs] the new profile may not allow more than the old one. It
// excludes [SELinuxContext].
//
// The child writes the name to /proc/self/attr/apparmor/exec, and before Linux 5.8
// to /proc/self/attr/exec. It does so before its root directory, credentials and
// NoNewPrivs change, so /proc must be there. The profile takes effect at execve.
//
// If AppArmor is not active, Compile returns an error that matches
// [errors.ErrUnsupported]. If Compile can't tell, Start returns it. Privilege: the
// profile of this process must allow the change. See aa-exec(1).
type AppArmorProfile string

const (
	execLabel = "the label of execve"
	maxLabel  = 4000 // the kernel takes less than a page
)

func (l SELinuxContext) check(c *plan.Claims) error {
	return checkLabel(c, plan.StepSELinux, string(l), "attr.SELinuxContext")
}

func checkLabel(c *plan.Claims, lsm, label, by string) error {
	if label == "" || len(label) > maxLabel || strings.ContainsAny(label, "\x00\n") {
		return invalid(lsm, label, "empty, over %d bytes, or with a NUL byte or a newline", maxLabel)
	}
	if isInactive(lsm) {
		err := &UnsupportedError{What: "the security module " + lsm + " to be active"}
		return plan.AttrError(lsm, -1, label, err)
	}
	return c.Claim(execLabel, by)
}

// isInactive reports whether a security module is known not to be active. Where
// no file tells, the child will find out.
func isInactive(lsm string) bool {
	if all, err := highfd.ReadFile("/sys/kernel/security/lsm"); err == nil {
		return !slices.Contains(strings.Split(strings.TrimSpace(string(all)), ","), lsm)
	}
	if lsm == "selinux" {
		types, err := highfd.ReadFile("/proc/filesystems")
		return err == nil && !strings.Contains(string(types), "\tselinuxfs\n")
	}
	if enabled, err := highfd.ReadFile("/sys/module/apparmor/parameters/enabled"); err == nil {
		return !strings.HasPrefix(string(enabled), "Y")
	}
	_, err := os.Stat("/sys/module/kernel")
	_, missing := os.Stat("/sys/module/apparmor")
	return err == nil && errors.Is(missing, os.ErrNotExist)
}

func (l SELinuxContext) lower(p *plan.Plan) {
	fd := p.Builder().Var()
	p.Step(plan.StepSELinux, string(l))
	p.OpenProc(plan.HostFiles, "/proc/self/attr/exec").Keep(fd)
	p.WriteProc(plan.HostFiles, fd, string(l))
}

func (l AppArmorProfile) check(c *plan.Claims) error {
	return checkLabel(c, plan.StepAppArmor, string(l), "attr.AppArmorProfile")
}

const enoent = 2

func (l AppArmorProfile) lower(p *plan.Plan) {
	fd := p.Builder().Var()
	p.Step(plan.StepAppArmor, string(l))
	p.OpenProc(plan.HostFiles, "/proc/self/attr/apparmor/exec").Keep(fd).Else(1, enoent)
	p.OpenProc(plan.HostFiles, "/proc/self/attr/exec").Keep(fd)
	p.WriteProc(plan.HostFiles, fd, "exec "+string(l))
}
