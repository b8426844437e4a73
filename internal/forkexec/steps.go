package forkexec

import (
	"fmt"
	"strconv"

	"github.com/safespawn/spawn/internal/plan"
)

// Steps are the system calls that a start comes to, in order: first those of this
// process, whose notes say so, then those between fork and execve. Their numbers
// are -1 and their names those of Unix: package syscall chooses the real ones.
func (p *Program) Steps() []plan.Step {
	var l stepList
	for i := range p.files.needs {
		l.need(i, &p.files.needs[i], p.actions)
	}
	p.attributeSteps(&l)
	if x := p.files.chdir; x >= 0 || p.files.chrooted {
		s := plan.Step{Part: plan.PartAttr, Name: plan.StepChdir, Index: x, Object: p.files.cwd.path}
		if x >= 0 {
			s.Part, s.Name, s.Object = plan.PartAction, p.actions[x].Kind.String(), p.actions[x].Object()
		}
		l.add(s, "chdir", p.files.cwd.text()...)
	}
	p.tableSteps(&l)
	if p.tty >= 0 {
		l.add(plan.Step{Part: plan.PartAttr, Name: plan.StepCtty, Index: -1, Object: p.attr.TTY.Name()}, "ioctl", number(p.tty), text("TIOCSCTTY"))
	}
	l.add(plan.Step{Part: plan.PartStart, Name: plan.StepExecve, Index: -1}, "execve", quoted(p.path), text("ptr"), text("ptr"))
	return l
}

type stepList []plan.Step

func (l *stepList) add(s plan.Step, call string, args ...plan.StepArg) {
	s.Syscall, s.Number, s.Args = call, -1, args
	*l = append(*l, s)
}

func text(s string) plan.StepArg { return plan.StepArg{Text: s} }

func quoted(s string) plan.StepArg { return text(strconv.Quote(s)) }

func number(n int) plan.StepArg {
	return plan.StepArg{Text: strconv.Itoa(n), Value: uint64(n), Known: true}
}

// handle is the descriptor that need i will have in this process.
func handle(i int) plan.StepArg { return text("f" + strconv.Itoa(i)) }

// text is a place as arguments: the directory, if it isn't the working
// directory, and the path.
func (p place) text() []plan.StepArg {
	var args []plan.StepArg
	if p.dir != none {
		args = append(args, handle(p.dir))
	}
	if p.path != "" {
		args = append(args, quoted(p.path))
	}
	return args
}

// need adds what this process does for need i.
func (l *stepList) need(i int, n *need, actions []plan.Action) {
	s := plan.Step{Part: plan.PartStart, Name: plan.StepFileTable, Index: -1, Note: "in the parent, gives " + handle(i).Text}
	if n.action >= 0 {
		x := &actions[n.action]
		s.Part, s.Name, s.Index, s.Object = plan.PartAction, x.Kind.String(), n.action, x.Object()
	}
	switch n.kind {
	case needNumber, needFile:
		l.add(s, "dup", number(n.fd))
	case needOpen:
		call := "open"
		if n.at.dir != none {
			call = "openat"
		}
		l.add(s, call, append(n.at.text(), text(fmt.Sprintf("%#o", n.flag)), text(fmt.Sprintf("%#o", n.perm.Perm())))...)
	case needDir:
		s.Note = "in the parent"
		l.add(s, "stat", n.at.text()...)
	}
}

// attributeSteps adds what the attributes ask for, in the order of package
// syscall.
func (p *Program) attributeSteps(l *stepList) {
	a := &p.attr
	if a.Setsid {
		l.add(plan.Step{Part: plan.PartAttr, Name: plan.StepSetsid, Index: -1}, "setsid")
	}
	if a.Setpgid {
		l.add(plan.Step{Part: plan.PartAttr, Name: plan.StepSetpgid, Index: -1}, "setpgid", number(0), number(a.Pgid))
	}
	if k := p.files.foreground; k != none {
		x := &p.actions[p.files.tcsetpgrp]
		s := plan.Step{Part: plan.PartAction, Name: x.Kind.String(), Index: p.files.tcsetpgrp, Object: x.Object()}
		l.add(s, "ioctl", handle(k), text("TIOCSPGRP"), text("ptr"))
	}
	if a.Chroot != "" {
		l.add(plan.Step{Part: plan.PartAttr, Name: plan.StepChroot, Index: -1, Object: a.Chroot}, "chroot", quoted(a.Chroot))
	}
	if c := a.Credential; c != nil {
		if !c.KeepGroups {
			l.add(plan.Step{Part: plan.PartAttr, Name: plan.StepSetgroups, Index: -1}, "setgroups", number(len(c.Groups)), text(fmt.Sprint(c.Groups)))
		}
		l.add(plan.Step{Part: plan.PartAttr, Name: plan.StepSetresgid, Index: -1}, "setgid", number(int(c.GID)))
		l.add(plan.Step{Part: plan.PartAttr, Name: plan.StepSetresuid, Index: -1}, "setuid", number(int(c.UID)))
	}
}

// tableSteps adds how the files get their numbers.
func (p *Program) tableSteps(l *stepList) {
	for _, n := range p.files.numbers() {
		entry := p.files.table[n]
		s := plan.Step{Part: plan.PartStart, Name: plan.StepFileTable, Index: -1}
		if entry.action >= 0 {
			x := &p.actions[entry.action]
			s.Part, s.Name, s.Index, s.Object = plan.PartAction, x.Kind.String(), entry.action, x.Object()
		}
		if entry.need == shut {
			l.add(s, "close", number(n))
			continue
		}
		l.add(s, "dup2", handle(entry.need), number(n))
	}
}
