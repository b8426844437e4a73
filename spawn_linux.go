//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package spawn

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/safespawn/spawn/internal/engine"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/pidns"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/tree"
)

// backend makes children by package engine here.
type backend struct{ program engine.Program }

func (b *backend) compile(s *Spec, argv, env []string, u use) error {
	return b.program.Compile(engine.Input{
		Path: s.name(), File: s.File, Shell: s.Shell, PIDVariable: s.PIDVariable, Argv: argv, Env: env, Actions: s.Actions.list, Attr: s.Attr, Once: u.once, Timed: usedObserver(s.Observer) != nil, Here: u.here,
	})
}

// release gives back the memory of a program that was run but once.
func (b *backend) release() { b.program.Release() }

func (p *Program) start(ctx context.Context, o *plan.Handover) (*Process, *plan.Times, error) {
	c, err := p.program.Start(ctx)
	if err != nil {
		return nil, c.Times, ofStart(p.path, err)
	}
	if o == nil || p.log != nil { // a logger may panic before whoever starts it looks
		return newProcess(c.PID, child{Child: c}), c.Times, nil
	}
	if f := kernel.Current(); o.Take && c.Pidfd >= 0 && f.Pidfd && f.Waitid {
		o.Pidfd, o.Claim, c.Pidfd = c.Pidfd, c.Claim(), -1
	}
	return &Process{pid: c.PID, child: child{Child: c}}, c.Times, nil
}

// lacking says why optional attributes can't be set, as far as that was known at Compile.
func (b *backend) lacking() []*plan.Error { return b.program.Lacking() }

// stepOf is the name of the first step of an optional attribute.
func (b *backend) stepOf(index int) string { return b.program.StepOf(index) }

// refused says why optional attributes are not set.
func (c *child) refused() []*plan.Error { return c.Refused }

// Steps returns the system calls of a start, in order. It begins with the clone that
// makes the child, with its flags, namespaces and cgroup. If id maps are written from
// outside, the calls that write them follow. Then come the child's calls, up to
// execve. Some calls depend on the moment of the start; their notes say so.
func (p *Program) Steps() []Step { return stepsOf(p.program.Steps()) }

// steps is the number of the child's operations.
func (b *backend) steps() int { return b.program.Len() }

func featureSet() FeatureSet {
	f := kernel.Here()
	a := kernel.ForAttributes()
	return FeatureSet{
		{Name: FeatureEngine, Available: true, Use: "children are made by clone with shared memory"},
		{Name: FeatureClone3, Available: f.Clone3, Since: "5.5", Use: "without: clone, and handlers are reset one by one"},
		{Name: FeatureCgroup, Available: f.Cgroup, Since: "5.7", Use: "born in a cgroup; without: moved there before execve"},
		{Name: FeatureCloseRange, Available: f.CloseRange, Since: "5.9", Use: "without: the cost of a spawn grows with the number of open files"},
		{Name: FeaturePidfd, Available: f.Pidfd, Since: "5.4", Use: "without: one thread waits for all children"},
		{Name: FeaturePidfdInfo, Available: f.PidfdInfo, Since: "6.15", Use: "the status is found also when somebody else has waited"},
		{Name: FeatureWaitid, Available: f.Waitid, Use: "without (filters): wait4, and looks at /proc again and again"},
		{Name: FeatureSharedMemory, Available: f.SharedMemory, Use: "without (emulators): memory is copied and failures come by pipe"},
		{Name: FeatureExecSeen, Available: f.ExecSeen, Use: "without (gVisor): memory is copied for what may wait before execve"},
		{Name: FeatureLandlock, Available: a.Landlock > 0, Since: "5.13", Use: "attr.Landlock", Version: a.Landlock},
		{Name: FeatureSeccomp, Available: a.Seccomp, Since: "3.17", Use: "attr.Seccomp"},
		{Name: FeatureUserNamespaces, Available: a.UserNamespaces, Since: "3.8", Use: "attr.Namespaces and attr.Unshare with CLONE_NEWUSER"},
		{Name: FeatureCgroupNamespaces, Available: a.CgroupNamespaces, Since: "4.6", Use: "the same with CLONE_NEWCGROUP"},
		{Name: FeatureTimeNamespaces, Available: a.TimeNamespaces, Since: "5.6", Use: "the same with CLONE_NEWTIME"},
		treeLimits(),
		{Name: FeatureDieWithParent, Available: has(pidns.Probe()) || has(tree.ProbeDying()), Since: "3.19", Use: "attr.DieWithParent ends whole trees, by a pid namespace or by the guardian of a control group (5.14); without: the child alone"},
	}
}

// has reports whether something is there: a shortage does not say no.
func has(err error) bool { return !errors.Is(err, errors.ErrUnsupported) }

var warned [3]atomic.Bool

// warnOnce logs what this kernel lacks and what that costs, once a process.
func (p *Program) warnOnce() {
	f := p.program.Features()
	for i, w := range []struct {
		missing bool
		what    string
	}{
		{!f.CloseRange, "no close_range: a spawn's cost grows with the number of open files"},
		{!f.Pidfd, "no pidfd: one thread waits for all children, and stolen statuses are noticed late"},
		{!kernel.Current().SharedMemory, "memory is not shared over clone: it is copied, and failures come by pipe"},
	} {
		if w.missing && !warned[i].Swap(true) {
			p.warn(w.what)
		}
	}
}
