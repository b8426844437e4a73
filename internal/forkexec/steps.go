package forkexec

import (
	"fmt"
	"strconv"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/plan"
)

// Steps are the system calls that a start comes to, in order: first those of this
// process, the last of which is fork, then the child's, up to execve. Their numbers
// are -1 and their names those of Unix: package syscall chooses the real ones.
func (p *Program) Steps() []plan.Step {
	var l stepList
	for i := range p.files.needs {
		p.needStep(&l, i)
	}
	l.add(plan.Step{Part: plan.PartStart, Name: plan.StepClone, Index: -1, Parent: true, Note: "in the parent, makes the child"}, "fork")
	p.attributeSteps(&l)
	switch x := p.files.chdir; {
	case x >= 0:
		l.add(p.actionStep(x), "chdir", p.files.cwd.text()...)
	case p.files.chrooted:
		l.add(attributeStep(plan.StepChdir, indexOf[attr.Chroot](p.list), p.files.cwd.path), "chdir", p.files.cwd.text()...)
	}
	p.tableSteps(&l)
	if p.tty >= 0 {
		s := attributeStep(plan.StepCtty, indexOf[attr.ControllingTTY](p.list), p.attr.TTY.Name())
		l.add(s, "ioctl", number(p.tty), text("TIOCSCTTY"))
	}
	l.add(startStep(plan.StepExecve), "execve", quoted(p.path), text("ptr"), text("ptr"))
	return l
}

type stepList []plan.Step

func attributeStep(name string, index int, object string) plan.Step {
	return plan.Step{Part: plan.PartAttr, Name: name, Index: index, Object: object}
}

func startStep(name string) plan.Step { return plan.Step{Part: plan.PartStart, Name: name, Index: -1} }

// actionStep is a step of action i.
func (p *Program) actionStep(i int) plan.Step {
	x := &p.actions[i]
	return plan.Step{Part: plan.PartAction, Name: x.Kind.String(), Index: i, Object: x.Object()}
}

// tableStep is a step of action i, or of what each start does with 0, 1 and 2.
func (p *Program) tableStep(i int) plan.Step {
	if i < 0 {
		return startStep(plan.StepFileTable)
	}
	return p.actionStep(i)
}

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

// needStep adds what this process does for need i.
func (p *Program) needStep(l *stepList, i int) {
	n := &p.files.needs[i]
	s := p.tableStep(n.action)
	s.Parent, s.Note = true, "in the parent, gives "+handle(i).Text
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
		l.add(attributeStep(plan.StepSetsid, indexOf[attr.Setsid](p.list), ""), "setsid")
	}
	if a.Setpgid {
		l.add(attributeStep(plan.StepSetpgid, indexOf[attr.Setpgid](p.list), ""), "setpgid", number(0), number(a.Pgid))
	}
	if k := p.files.foreground; k != none {
		l.add(p.actionStep(p.files.tcsetpgrp), "ioctl", handle(k), text("TIOCSPGRP"), text("ptr"))
	}
	if a.Chroot != "" {
		l.add(attributeStep(plan.StepChroot, indexOf[attr.Chroot](p.list), a.Chroot), "chroot", quoted(a.Chroot))
	}
	if a.Credential != nil {
		p.idSteps(l)
	}
}

// idSteps adds those of the attribute that changes ids.
func (p *Program) idSteps(l *stepList) {
	c := p.attr.Credential
	index := max(indexOf[attr.Credential](p.list), indexOf[attr.ResetIDs](p.list))
	if !c.KeepGroups {
		l.add(attributeStep(plan.StepSetgroups, index, ""), "setgroups", number(len(c.Groups)), text(fmt.Sprint(c.Groups)))
	}
	l.add(attributeStep(plan.StepSetresgid, index, ""), "setgid", number(int(c.GID)))
	l.add(attributeStep(plan.StepSetresuid, index, ""), "setuid", number(int(c.UID)))
}

// tableSteps adds how the files get their numbers.
func (p *Program) tableSteps(l *stepList) {
	for _, n := range p.files.numbers() {
		entry := p.files.table[n]
		s := p.tableStep(entry.action)
		if entry.need == shut {
			l.add(s, "close", number(n))
			continue
		}
		l.add(s, "dup2", handle(entry.need), number(n))
	}
}
