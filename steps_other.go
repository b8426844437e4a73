//go:build !linux || android || !(amd64 || arm64) || spawn_forkexec

package spawn

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/safespawn/spawn/internal/plan"
)

// Steps are the system calls that a start comes to, in order: first those of this
// process, whose notes say so, then those between fork and execve. Their numbers
// are -1 and their names those of Unix: package syscall chooses the real ones.
func (p *Program) Steps() []Step {
	var l stepList
	for i := range p.files.needs {
		l.need(i, &p.files.needs[i], p.actions)
	}
	p.attributeSteps(&l)
	if x := p.files.chdir; x >= 0 || p.files.chrooted {
		s := Step{Part: PartAttr, Name: "chdir", Index: x, Object: p.files.cwd.path}
		if x >= 0 {
			s.Part, s.Object = PartAction, p.actions[x].Object()
		}
		l.add(s, "chdir", p.files.cwd.text()...)
	}
	p.tableSteps(&l)
	if p.tty >= 0 {
		l.add(Step{Part: PartAttr, Name: "ctty", Index: -1, Object: p.attr.TTY.Name()}, "ioctl", number(p.tty), text("TIOCSCTTY"))
	}
	l.add(Step{Part: PartStart, Name: "execve", Index: -1}, "execve", quoted(p.path), text("ptr"), text("ptr"))
	return l
}

// steps is how many there are.
func (p *Program) steps() int { return len(p.Steps()) }

type stepList []Step

func (l *stepList) add(s Step, call string, args ...StepArg) {
	s.Syscall, s.Number, s.Args = call, -1, args
	*l = append(*l, s)
}

func text(s string) StepArg { return StepArg{Text: s} }

func quoted(s string) StepArg { return text(strconv.Quote(s)) }

func number(n int) StepArg { return StepArg{Text: strconv.Itoa(n), Value: uint64(n), Known: true} }

// handle is the descriptor that need i will have in this process.
func handle(i int) StepArg { return text("f" + strconv.Itoa(i)) }

// text is a place as arguments: the directory, if it isn't the working
// directory, and the path.
func (p place) text() []StepArg {
	var args []StepArg
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
	s := Step{Part: PartStart, Name: "file table", Index: -1, Note: "in the parent, gives " + handle(i).Text}
	if n.action >= 0 {
		x := &actions[n.action]
		s.Part, s.Name, s.Index, s.Object = PartAction, x.Kind.String(), n.action, x.Object()
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
		l.add(Step{Part: PartAttr, Name: "setsid", Index: -1}, "setsid")
	}
	if a.Setpgid {
		l.add(Step{Part: PartAttr, Name: "setpgid", Index: -1}, "setpgid", number(0), number(a.Pgid))
	}
	if k := p.files.foreground; k != none {
		x := &p.actions[p.files.tcsetpgrp]
		s := Step{Part: PartAction, Name: x.Kind.String(), Index: p.files.tcsetpgrp, Object: x.Object()}
		l.add(s, "ioctl", handle(k), text("TIOCSPGRP"), text("ptr"))
	}
	if a.Chroot != "" {
		l.add(Step{Part: PartAttr, Name: "chroot", Index: -1, Object: a.Chroot}, "chroot", quoted(a.Chroot))
	}
	if c := a.Credential; c != nil {
		if !c.KeepGroups {
			l.add(Step{Part: PartAttr, Name: "setgroups", Index: -1}, "setgroups", number(len(c.Groups)), text(fmt.Sprint(c.Groups)))
		}
		l.add(Step{Part: PartAttr, Name: "setresgid", Index: -1}, "setgid", number(int(c.GID)))
		l.add(Step{Part: PartAttr, Name: "setresuid", Index: -1}, "setuid", number(int(c.UID)))
	}
}

// tableSteps adds how the files get their numbers.
func (p *Program) tableSteps(l *stepList) {
	for _, n := range slices.Sorted(maps.Keys(p.files.table)) {
		entry := p.files.table[n]
		s := Step{Part: PartStart, Name: "file table", Index: -1}
		if entry.action >= 0 {
			x := &p.actions[entry.action]
			s.Part, s.Name, s.Index, s.Object = PartAction, x.Kind.String(), entry.action, x.Object()
		}
		if entry.need == shut {
			l.add(s, "close", number(n))
			continue
		}
		l.add(s, "dup2", handle(entry.need), number(n))
	}
}
