//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/fdtable"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/names"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// Steps returns the call that makes the child, what this process does before the
// child goes on, and the child's system calls up to execve, in order. Some calls
// depend on the moment of the start; their notes say so.
func (p *Program) Steps() []plan.Step {
	steps := p.parentSteps()
	for _, c := range p.prog.Calls() {
		steps = append(steps, p.step(c))
	}
	return steps
}

func (p *Program) step(c raw.Call) plan.Step {
	if c.Sys == raw.Clone3 || c.Sys == raw.SysClone {
		s := p.cloneStep()
		s.Parent, s.Note = false, strings.Replace(s.Note, "in the parent, makes the child", "makes the child, which goes on; gives "+p.varName(c.Keep), 1)
		return s
	}
	named := p.prog.Step(c.Step)
	s := plan.Step{
		Part: plan.Part(named.Part), Name: named.Name, Index: named.Index, Object: p.objectOf(named),
		Syscall: c.Sys.Name(), Number: c.Sys.Number(),
	}
	for i := range c.Sys.Args() {
		s.Args = append(s.Args, p.arg(c, i))
	}
	switch {
	case c.Sweep != nil:
		s.Note = fmt.Sprintf("for each up to %s", p.value(*c.Sweep, false))
		s.Repeated, s.Optional = true, true
	case c.When != nil:
		s.Note = p.condition(*c.When)
		s.Optional = true
	case c.Else:
		s.Note = "if the call before it fails"
		s.Optional = true
	}
	if s.MayFail = p.mayFail(named); s.MayFail {
		s.Note = join(s.Note, "may fail")
	}
	if c.Keep != 0 {
		s.Note = join(s.Note, "gives "+p.varName(c.Keep))
	}
	return s
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + ", " + b
}

// condition says when a call is left out.
func (p *Program) condition(c raw.Condition) string {
	switch c.Var {
	case p.nofile:
		return "if Go has raised the limit"
	case p.abort:
		return "if the start was given up"
	}
	if c.Var != 0 && slices.Contains(p.signals.each, c.Var) {
		return "if it is not to be inherited"
	}
	return fmt.Sprintf("unless %s is %d", p.varName(c.Var), c.Equal)
}

func (p *Program) varName(v raw.Var) string {
	if p.maps != nil && v == p.maps.ours {
		return "our end"
	} else if p.maps != nil && v == p.maps.theirs {
		return "its end"
	}
	if p.listens != nil && v == p.listens.Number {
		return "its listener"
	}
	if p.enter.PIDNamespace != nil && v == p.enter.fd {
		return "its file"
	}
	switch v {
	case p.signals.first:
		return "first ignored"
	case p.signals.last:
		return "last ignored"
	}
	if name := p.fds.VarName(v); name != "" {
		return name
	}
	return "v" + strconv.Itoa(int(v))
}

func (p *Program) arg(c raw.Call, i int) plan.StepArg {
	v := c.Args[i]
	known := v.Kind != raw.KindVar && v.Kind != raw.KindVarAddress && v.Kind != raw.KindPlace
	a := plan.StepArg{Text: p.value(v, c.Sys == raw.CloseRange || c.Sys == raw.Prlimit64), Value: v.Num, Known: known}
	if v.Kind == raw.KindNumber {
		if name, ok := constName(c, i, int64(v.Num)); ok {
			a.Text = name
		}
	}
	return a
}

func (p *Program) value(v raw.Value, unsigned bool) string {
	switch v.Kind {
	case raw.KindText:
		return strconv.Quote(v.Text)
	case raw.KindAddress:
		return "ptr"
	case raw.KindPlace:
		return "&" + v.Text
	case raw.KindVarAddress:
		if v.Num != 0 {
			return fmt.Sprintf("&%s%+d bytes", p.varName(v.Var), int64(v.Num))
		}
		return "&" + p.varName(v.Var)
	case raw.KindVar:
		if v.Num != 0 {
			return fmt.Sprintf("%s%+d", p.varName(v.Var), int64(v.Num))
		}
		return p.varName(v.Var)
	}
	if unsigned && v.Num == fdtable.LastFD {
		return "INT_MAX"
	}
	return strconv.FormatInt(int64(v.Num), 10)
}

// datagrams is a type of sockets.
const datagrams = unix.SOCK_DGRAM | unix.SOCK_CLOEXEC

// constName is the name of a number that is a constant of the call.
func constName(c raw.Call, i int, n int64) (string, bool) {
	type at struct {
		sys raw.Sys
		arg int
		n   int64
	}
	name, ok := map[at]string{
		{raw.Openat, 0, plan.AtFdcwd}:                     "AT_FDCWD",
		{raw.Openat2, 0, plan.AtFdcwd}:                    "AT_FDCWD",
		{raw.Readlinkat, 0, plan.AtFdcwd}:                 "AT_FDCWD",
		{raw.Mkdirat, 0, plan.AtFdcwd}:                    "AT_FDCWD",
		{raw.Symlinkat, 1, plan.AtFdcwd}:                  "AT_FDCWD",
		{raw.Mknodat, 0, plan.AtFdcwd}:                    "AT_FDCWD",
		{raw.OpenTree, 0, plan.AtFdcwd}:                   "AT_FDCWD",
		{raw.MoveMount, 2, plan.AtFdcwd}:                  "AT_FDCWD",
		{raw.Fcntl, 1, unix.F_SETFD}:                      "F_SETFD",
		{raw.Fcntl, 1, unix.F_DUPFD_CLOEXEC}:              "F_DUPFD_CLOEXEC",
		{raw.Dup3, 2, unix.O_CLOEXEC}:                     "O_CLOEXEC",
		{raw.Ioctl, 1, unix.TIOCSCTTY}:                    "TIOCSCTTY",
		{raw.Ioctl, 1, unix.TIOCSPGRP}:                    "TIOCSPGRP",
		{raw.Ioctl, 1, unix.TIOCNOTTY}:                    "TIOCNOTTY",
		{raw.Ioctl, 1, unix.SIOCSIFFLAGS}:                 "SIOCSIFFLAGS",
		{raw.Socket, 0, unix.AF_INET}:                     "AF_INET",
		{raw.Socket, 1, datagrams}:                        "SOCK_DGRAM|SOCK_CLOEXEC",
		{raw.Prctl, 0, unix.PR_SET_DUMPABLE}:              "PR_SET_DUMPABLE",
		{raw.Prctl, 0, unix.PR_SET_NO_NEW_PRIVS}:          "PR_SET_NO_NEW_PRIVS",
		{raw.Prctl, 0, unix.PR_SET_PDEATHSIG}:             "PR_SET_PDEATHSIG",
		{raw.Prctl, 0, unix.PR_SET_KEEPCAPS}:              "PR_SET_KEEPCAPS",
		{raw.Prctl, 0, unix.PR_CAP_AMBIENT}:               "PR_CAP_AMBIENT",
		{raw.Prctl, 0, unix.PR_SET_TIMERSLACK}:            "PR_SET_TIMERSLACK",
		{raw.Prctl, 0, unix.PR_SCHED_CORE}:                "PR_SCHED_CORE",
		{raw.Prctl, 0, unix.PR_SET_MDWE}:                  "PR_SET_MDWE",
		{raw.Prctl, 0, unix.PR_SET_THP_DISABLE}:           "PR_SET_THP_DISABLE",
		{raw.Prctl, 0, unix.PR_SET_MEMORY_MERGE}:          "PR_SET_MEMORY_MERGE",
		{raw.IoprioSet, 0, 1}:                             "IOPRIO_WHO_PROCESS",
		{raw.Execveat, 4, unix.AT_EMPTY_PATH}:             "AT_EMPTY_PATH",
		{raw.Ptrace, 0, unix.PTRACE_TRACEME}:              "PTRACE_TRACEME",
		{raw.Futex, 1, 5}:                                 "FUTEX_WAKE_OP",
		{raw.Futex, 1, 5 | 128}:                           "FUTEX_WAKE_OP_PRIVATE",
		{raw.Mount, 3, unix.MS_REC | unix.MS_PRIVATE}:     "MS_REC|MS_PRIVATE",
		{raw.RtSigprocmask, 0, unix.SIG_SETMASK}:          "SIG_SETMASK",
		{raw.RtSigprocmask, 0, unix.SIG_UNBLOCK}:          "SIG_UNBLOCK",
		{raw.RtSigprocmask, 2, 0}:                         "NULL",
		{raw.RtSigaction, 2, 0}:                           "NULL",
		{raw.Prlimit64, 2, 0}:                             "NULL",
		{raw.Prlimit64, 3, 0}:                             "NULL",
		{raw.Setpriority, 0, unix.PRIO_PROCESS}:           "PRIO_PROCESS",
		{raw.Execve, 0, 0}:                                "NULL",
		{raw.Execve, 2, 0}:                                "NULL",
		{raw.Seccomp, 0, unix.SECCOMP_SET_MODE_FILTER}:    "SECCOMP_SET_MODE_FILTER",
		{raw.Prctl, 0, unix.PR_CAPBSET_READ}:              "PR_CAPBSET_READ",
		{raw.Prctl, 0, unix.PR_CAPBSET_DROP}:              "PR_CAPBSET_DROP",
		{raw.Prctl, 0, unix.PR_SET_SECUREBITS}:            "PR_SET_SECUREBITS",
		{raw.Prctl, 0, unix.PR_SET_CHILD_SUBREAPER}:       "PR_SET_CHILD_SUBREAPER",
		{raw.Keyctl, 0, unix.KEYCTL_JOIN_SESSION_KEYRING}: "KEYCTL_JOIN_SESSION_KEYRING",
	}[at{c.Sys, i, n}]
	if !ok && (c.Sys == raw.Openat && i == 2 || c.Sys == raw.Openat && i == 3 || c.Sys == raw.Mkdirat && i == 2 || c.Sys == raw.Mknodat && i == 2 || c.Sys == raw.Umask) {
		return fmt.Sprintf("%#o", n), true
	}
	if !ok {
		name, ok = listedName(c, i, n)
	}
	if !ok && c.Sys == raw.Unshare {
		return strings.Join(flagNames(uint64(n)), "|"), true
	}
	if !ok && c.Sys == raw.Futex && i == 5 {
		return fmt.Sprintf("%#x", n), true
	}
	return name, ok
}

// listedName is the name of a capability, a resource or a signal.
func listedName(c raw.Call, i int, n int64) (string, bool) {
	option := c.Args[0].Num
	switch {
	case c.Sys == raw.RtSigaction && i == 0, c.Sys == raw.Tkill && i == 1, c.Sys == raw.Prctl && i == 1 && option == unix.PR_SET_PDEATHSIG:
		return names.Signal(syscall.Signal(n)), true
	case c.Sys == raw.Prlimit64 && i == 1:
		return names.Resource(int(n)), true
	case c.Sys == raw.Prctl && i == 1 && (option == unix.PR_CAPBSET_READ || option == unix.PR_CAPBSET_DROP),
		c.Sys == raw.Prctl && i == 2 && option == unix.PR_CAP_AMBIENT && c.Args[1].Num == unix.PR_CAP_AMBIENT_RAISE:
		return names.Capability(int(n)), true
	case c.Sys == raw.Prctl && i == 1 && option == unix.PR_CAP_AMBIENT:
		return map[int64]string{unix.PR_CAP_AMBIENT_RAISE: "PR_CAP_AMBIENT_RAISE", unix.PR_CAP_AMBIENT_CLEAR_ALL: "PR_CAP_AMBIENT_CLEAR_ALL"}[n], true
	}
	return "", false
}

// Len is the number of the child's operations.
func (p *Program) Len() int { return p.prog.Len() }

// Features are those that the program was made for. Memory is not shared also where an
// attribute wants it so.
func (p *Program) Features() kernel.Features { return p.feat }
