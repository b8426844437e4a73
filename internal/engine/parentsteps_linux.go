//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// parentSteps are this process's system calls that make the child and let it go on.
func (p *Program) parentSteps() []plan.Step {
	if p.here != nil {
		return []plan.Step{hereStep()}
	}
	steps := []plan.Step{p.cloneStep()}
	if p.relay {
		steps[0] = p.relayStep()
	}
	if p.maps != nil {
		for i := range p.maps.files {
			steps = append(steps, p.maps.files[i].step())
		}
		steps = append(steps, plan.Step{
			Part: plan.PartAttr, Name: plan.StepIDMap, Index: p.maps.Index, Parent: true,
			Syscall: "write", Number: unix.SYS_WRITE, Args: []plan.StepArg{{Text: "our end"}, {Text: `"."`}, known("1", 1)},
			Note: "in the parent, lets the child go on",
		})
	}
	if p.listens != nil {
		steps = append(steps, p.takingStep())
	}
	return steps
}

// takingStep is the call that takes the listener of the child's filter.
func (p *Program) takingStep() plan.Step {
	return plan.Step{
		Part: plan.PartAttr, Name: plan.StepSeccomp, Index: p.listens.Index, Object: theListener, Parent: true,
		Syscall: "pidfd_getfd", Number: unix.SYS_PIDFD_GETFD, Args: []plan.StepArg{{Text: "PIDFD"}, {Text: "its listener"}, known("0", 0)},
		Note: "in the parent, while the child waits in an execve without a path",
	}
}

// cloneArgsSize is CLONE_ARGS_SIZE_VER2, the size of clone3's structure.
const cloneArgsSize = 88

// cloneStep is the call that makes the child.
func (p *Program) cloneStep() plan.Step {
	s := plan.Step{Part: plan.PartStart, Name: plan.StepClone, Index: -1, Parent: true, Note: "in the parent, makes the child"}
	if p.clone.Bits != 0 {
		s.Part, s.Index, s.Object = plan.PartAttr, p.clone.Index, p.clone.Object
	}
	flags := p.cloneFlags()
	text := strings.Join(flagNames(flags), "|")
	if p.feat.Clone3 {
		s.Syscall, s.Number = "clone3", unix.SYS_CLONE3
		fields := "flags=" + text
		if !p.relay {
			fields += ", exit_signal=SIGCHLD"
		}
		if flags&unix.CLONE_INTO_CGROUP != 0 {
			fields += fmt.Sprintf(", cgroup=%d", p.heldFD(plan.StepCgroup))
			s.Note += ", in cgroup " + strconv.Quote(p.cgroup.Name())
		}
		s.Args = []plan.StepArg{{Text: "{" + fields + "}"}, known(strconv.Itoa(cloneArgsSize), cloneArgsSize)}
	} else {
		s.Syscall, s.Number = "clone", unix.SYS_CLONE
		s.Args = clone2Args(p.clone2Flags(flags))
	}
	if p.apart != nil {
		s.Note += "; without CLONE_VM if the kernel might end both of them when memory runs out"
	}
	return s
}

// clone2Args are the arguments of clone(2). All but the flags are addresses.
func clone2Args(flags plan.StepArg) []plan.StepArg {
	args := []plan.StepArg{{Text: "ptr"}, {Text: "ptr"}, {Text: "ptr"}, {Text: "ptr"}, {Text: "ptr"}}
	args[raw.CloneFlagsArg()] = flags
	return args
}

// clone2Flags are those of clone(2). A relay has no place for a pidfd in them, and none for a
// signal: the child inherits that of the relay, which is none.
func (p *Program) clone2Flags(flags uint64) plan.StepArg {
	if p.relay {
		flags &^= unix.CLONE_PIDFD
		return known(strings.Join(flagNames(flags), "|"), flags)
	}
	return known(strings.Join(append(flagNames(flags), "SIGCHLD"), "|"), flags|uint64(unix.SIGCHLD))
}

// relayStep is the call that makes the relay, whose own call is that of cloneStep.
func (p *Program) relayStep() plan.Step {
	flags := raw.RelayFlags
	return plan.Step{
		Part: plan.PartStart, Name: plan.StepClone, Index: -1, Parent: true, Note: "in the parent, makes a child that makes the child",
		Syscall: "clone", Number: unix.SYS_CLONE,
		Args: clone2Args(known(strings.Join(flagNames(flags), "|"), flags)),
	}
}

// cloneFlags are those that are known before the start.
func (p *Program) cloneFlags() uint64 {
	flags := p.flags() | p.way.flags()
	if p.fds.Shared() {
		flags |= unix.CLONE_FILES
	}
	if p.relay {
		flags |= unix.CLONE_PARENT
	}
	return flags
}

// step is the writing of a map.
func (f *mapFile) step() plan.Step {
	s := plan.Step{Part: plan.PartAttr, Name: f.name, Index: f.index, Object: f.object(), Parent: true}
	if f.helper != "" {
		s.Syscall, s.Number = "execve", unix.SYS_EXECVE
		argv := append([]string{helperName(f.name), "PID"}, strings.Fields(f.text)...)
		s.Args = []plan.StepArg{{Text: strconv.Quote(f.helper)}, {Text: fmt.Sprintf("%q", argv)}, {Text: "ptr"}}
		s.Note = "in another child, while the child waits"
		return s
	}
	s.Syscall, s.Number = "write", unix.SYS_WRITE
	s.Args = []plan.StepArg{{Text: "/proc/PID/" + f.name}, {Text: strconv.Quote(f.text)}, known(strconv.Itoa(len(f.text)), uint64(len(f.text)))}
	s.Note = "in the parent, while the child waits"
	return s
}

func known(text string, value uint64) plan.StepArg {
	return plan.StepArg{Text: text, Value: value, Known: true}
}

// flagNames are the names of clone flags, with the namespaces at the end.
func flagNames(flags uint64) (list []string) {
	type flag struct {
		bit  uint64
		name string
	}
	all := []flag{
		{unix.CLONE_VM, "CLONE_VM"}, {unix.CLONE_VFORK, "CLONE_VFORK"}, {unix.CLONE_FILES, "CLONE_FILES"}, {unix.CLONE_PARENT, "CLONE_PARENT"},
		{unix.CLONE_PARENT_SETTID, "CLONE_PARENT_SETTID"}, {unix.CLONE_CHILD_CLEARTID, "CLONE_CHILD_CLEARTID"},
		{unix.CLONE_PIDFD, "CLONE_PIDFD"}, {unix.CLONE_CLEAR_SIGHAND, "CLONE_CLEAR_SIGHAND"},
		{unix.CLONE_INTO_CGROUP, "CLONE_INTO_CGROUP"},
	}
	for _, k := range plan.NamespaceKinds {
		name := strings.ToUpper(k.Name)
		if k.Flag == unix.CLONE_NEWNS {
			name = "NS"
		}
		all = append(all, flag{k.Flag, "CLONE_NEW" + name})
	}
	for _, f := range all {
		if flags&f.bit != 0 {
			list = append(list, f.name)
			flags &^= f.bit
		}
	}
	if flags != 0 || list == nil {
		list = append(list, fmt.Sprintf("%#x", flags))
	}
	return list
}
