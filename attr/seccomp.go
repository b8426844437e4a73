package attr

import (
	"fmt"
	"slices"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// Seccomp gives the child a system call filter, for good. The filter adds to those
// that this process has. The child installs it last of all, right before execve.
//
// The filter must allow execve. It must also allow exit_group, because the child
// ends by exit_group if execve fails. Compile refuses a filter that kills for
// execve or does not allow exit_group. With such a filter the child would end with
// SIGSYS although Start did not fail; or it would not end at all; or before Linux
// 5.16 this process would end with it. If the filter looks at the arguments of
// these calls, Compile can't tell. Compile also refuses a filter for which the
// kernel's error would only be EINVAL, and says what is wrong.
//
// The filter may forbid other calls, with these effects. Without nanosleep execve
// is tried only once while the program is open for writing. If memory is not shared
// (see spawn.Features), the child needs write to report a failure.
//
// Without [NoNewPrivs] and without the privilege, the error is EACCES. If
// [Capabilities] leave the privilege out, Compile returns the error.
//
// Linux 3.17; 4.14 for FLAG_LOG and 4.17 for FLAG_SPEC_ALLOW; 5.6 for Listener, and
// 5.19 for FLAG_WAIT_KILLABLE_RECV. Privilege: CAP_SYS_ADMIN, or NoNewPrivs. See
// seccomp(2).
type Seccomp struct {
	// Filter is a program in classic BPF over struct seccomp_data, as libseccomp
	// exports it.
	Filter []SockFilter
	// Flags are SECCOMP_FILTER_FLAG_LOG and SECCOMP_FILTER_FLAG_SPEC_ALLOW, and with a
	// Listener SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV.
	Flags uint
	// Listener, if not nil, receives the system calls for which the filter returns
	// SECCOMP_RET_USER_NOTIF. A call waits until this process has answered it. Without
	// a Listener such a call fails with ENOSYS.
	Listener *SeccompListener
}

const (
	seccompSetModeFilter = 1
	seccompFlags         = 2 | 4 // LOG, SPEC_ALLOW
	seccompNewListener   = 8
	seccompWaitKillable  = 32

	// What a filter can decide, without the data in the low half.
	seccompErrno  = 0x00050000
	seccompNotify = 0x7fc00000
	seccompTrace  = 0x7ff00000
	seccompLog    = 0x7ffc0000
	seccompAllow  = 0x7fff0000
	seccompAction = 0xffff0000

	noNewPrivs = "no_new_privs"
	noSysAdmin = "capabilities without CAP_SYS_ADMIN"
	noWrite    = "a filter without write"
)

// needPrivs is for what a process may restrict itself by with CAP_SYS_ADMIN, or
// else with no_new_privs, which it may have from its parent. An optional one is not to be
// missing for want of either.
func needPrivs(c *plan.Claims, by string) {
	switch {
	case hasNoNewPrivs():
	case c.Optional:
		c.Need(noNewPrivs, by, "", "attr.NoNewPrivs")
	default:
		c.Bar(noSysAdmin, by, noNewPrivs, "without CAP_SYS_ADMIN it takes no_new_privs")
		c.Bar(unsureNoNewPrivs, by, "", "it rests on no_new_privs, which must not be optional then")
	}
}

func (s Seccomp) check(c *plan.Claims) error {
	if bad := s.Flags &^ s.mayFlags(); bad != 0 {
		return invalid(plan.StepSeccomp, fmt.Sprintf("%#x", s.Flags), "flags that a child has no use for: %#x", bad)
	}
	if err := checkFilter(s.Filter); err != nil {
		return err
	}
	if n := len(s.installed()); n > maxFilter {
		return invalid(plan.StepSeccomp, fmt.Sprintf("%d instructions", len(s.Filter)), "with a Listener not from 1 to %d", maxFilter-len(rendezvous))
	}
	if kills(s.Filter, raw.Execve) {
		return invalid(plan.StepSeccomp, "execve", "the filter kills for it")
	}
	if refuses(s.Filter, raw.ExitGroup) {
		return invalid(plan.StepSeccomp, "exit_group", "the filter does not allow it")
	}
	needPrivs(c, "attr.Seccomp")
	claims := []string{"the system call filter"}
	if refuses(s.Filter, raw.Write) {
		claims = append(claims, noWrite)
	}
	return claimAll(c, "attr.Seccomp", claims...)
}

// mayFlags are the flags that may be set.
func (s Seccomp) mayFlags() uint {
	if s.Listener != nil {
		return seccompFlags | seccompWaitKillable
	}
	return seccompFlags
}

// installed is the filter that the child installs.
func (s Seccomp) installed() []SockFilter {
	if s.Listener != nil {
		return append(slices.Clone(rendezvous), s.Filter...)
	}
	return s.Filter
}

func (s Seccomp) lower(p *plan.Plan) {
	filter := s.installed()
	words := make([]uint64, len(filter))
	for i, f := range filter {
		words[i] = raw.Instruction(f.Code, f.Jt, f.Jf, f.K)
	}
	prog := p.Builder().Filter(words...)
	p.Step(plan.StepSeccomp, fmt.Sprintf("%d instructions", len(s.Filter)))
	p.NoPause = kills(s.Filter, raw.Nanosleep)
	if s.Listener != nil {
		s.lowerListener(p, prog)
		return
	}
	p.Call(plan.Seccomp, raw.Seccomp, raw.Int(seccompSetModeFilter), raw.Int(int64(s.Flags)), prog)
}

// kills reports whether a filter ends the child for a call, with SIGSYS.
func kills(filter []SockFilter, call raw.Sys) bool {
	action, known := verdict(filter, call)
	switch action {
	case seccompErrno, seccompNotify, seccompTrace, seccompLog, seccompAllow:
		return false
	}
	return known
}

// refuses reports whether a filter does not let a call happen.
func refuses(filter []SockFilter, call raw.Sys) bool {
	action, known := verdict(filter, call)
	return known && action != seccompAllow && action != seccompLog
}
