package attr

import (
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/plan"
)

// SELinuxContext is the security context that the program runs in, as
// "system_u:system_r:crond_t:s0", instead of the one that the policy would choose.
// The policy must allow this process setexec and the transition.
//
// The child writes it to /proc/self/attr/exec, before root directory, credentials
// and [NoNewPrivs] change, so /proc must be there; execve is where it counts.
// Where SELinux is not active Compile fails with an error that matches
// [errors.ErrUnsupported], as far as that can be seen, and else Start does. It
// excludes [AppArmorProfile].
type SELinuxContext string

// AppArmorProfile is the name of the profile that the program runs under, as
// aa-exec -p has it. The profile of this process must allow the change, and with
// [NoNewPrivs] the new one may not allow more. For the rest it is like
// [SELinuxContext]; the file is /proc/self/attr/apparmor/exec, or before Linux 5.8
// /proc/self/attr/exec.
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
