//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import (
	"context"
	"sync/atomic"

	"github.com/safespawn/spawn/internal/engine"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/plan"
)

// backend makes children by package engine here.
type backend struct{ program engine.Program }

func (b *backend) compile(s *Spec, argv, env []string, once bool) error {
	return b.program.Compile(engine.Input{
		Path: s.Path, Argv: argv, Env: env, Actions: s.Actions.list, Attr: s.Attr, Once: once,
	})
}

// release gives back the memory of a program that was run but once.
func (b *backend) release() { b.program.Release() }

func (p *Program) start(ctx context.Context, o *plan.Handover) (*Process, error) {
	c, err := p.program.Start(ctx)
	if err != nil {
		return nil, ofStart(p.path, err)
	}
	if o == nil || p.log != nil { // a logger may panic before whoever starts it looks
		return newProcess(c.PID, child{Child: c}), nil
	}
	if f := kernel.Current(); o.Take && c.Pidfd >= 0 && f.Pidfd && f.Waitid {
		o.Pidfd, c.Pidfd = c.Pidfd, -1
	}
	return &Process{pid: c.PID, child: child{Child: c}}, nil
}

// Steps returns the system calls of a start, in order. It begins with the clone that
// makes the child, with its flags, namespaces and cgroup. If id maps are written from
// outside, the calls that write them follow. Then come the child's calls, up to
// execve. Some calls depend on the moment of the start; their notes say so.
func (p *Program) Steps() []Step { return stepsOf(p.program.Steps()) }

// steps is the number of the child's operations.
func (b *backend) steps() int { return b.program.Len() }

func featureSet() FeatureSet {
	f := kernel.Here()
	return FeatureSet{
		{"engine", true, "", "children are made by clone with shared memory"},
		{"clone3", f.Clone3, "5.5", "without: clone, and handlers are reset one by one"},
		{"cgroup", f.Cgroup, "5.7", "born in a cgroup; without: moved there before execve"},
		{"close_range", f.CloseRange, "5.9", "without: the cost of a spawn grows with the number of open files"},
		{"pidfd", f.Pidfd, "5.4", "without: a thread waits for each child"},
		{"pidfd_info", f.PidfdInfo, "6.15", "the status is found also when somebody else has waited"},
		{"waitid", f.Waitid, "", "without (filters): wait4, and looks at /proc again and again"},
		{"shared_memory", f.SharedMemory, "", "without (emulators): memory is copied and failures come by pipe"},
	}
}

var warned [3]atomic.Bool

// warnOnce logs what this kernel lacks and what that costs, once a process.
func (p *Program) warnOnce() {
	f := p.program.Features()
	for i, w := range []struct {
		missing bool
		what    string
	}{
		{!f.CloseRange, "no close_range: a spawn's cost grows with the number of open files"},
		{!f.Pidfd, "no pidfd: each child that is waited for holds a thread"},
		{!kernel.Current().SharedMemory, "memory is not shared over clone: it is copied, and failures come by pipe"},
	} {
		if w.missing && !warned[i].Swap(true) {
			p.warn(w.what)
		}
	}
}
