//go:build !linux || android || !(386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) || spawn_forkexec

package spawn

import (
	"context"
	"errors"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/attrlist"
	"github.com/safespawn/spawn/internal/forkexec"
	"github.com/safespawn/spawn/internal/plan"
)

// backend makes children by os.StartProcess here.
type backend struct{ program *forkexec.Program }

func (b *backend) compile(s *Spec, argv, env []string, u use) (err error) {
	if u.here != nil {
		return plan.StartError(plan.StepClone, &attr.UnsupportedError{What: "a start without a child", Since: "the engine", Err: errors.ErrUnsupported})
	}
	b.program, err = forkexec.Compile(&forkexec.Input{
		Path: s.name(), File: s.File, Shell: s.Shell, PIDVariable: s.PIDVariable, Argv: argv, Env: env, Actions: s.Actions.list, Attr: s.Attr, Starting: starting(s.Attr),
	})
	return err
}

// starting is what a child's tree is told before os.StartProcess; nil without a tree.
func starting(list attr.List) func() (started func()) {
	t, _ := attrlist.TreeOf(list)
	if t == nil || t.Handle == nil {
		return nil
	}
	return t.Handle.(*Tree).held.Starting
}

// release has nothing to give back here.
func (b *backend) release() {}

func (p *Program) start(ctx context.Context, o *plan.Handover) (*Process, *plan.Times, error) {
	var base *syscall.SysProcAttr
	if o != nil {
		base = o.Sys
	}
	begin := p.clock()
	c, err := p.program.StartFrom(ctx, base)
	times := begin.times()
	if err != nil {
		return nil, times, ofStart(p.path, err)
	}
	if o != nil {
		o.Process = c.Process()
		return &Process{pid: c.PID(), child: child{Child: c}}, times, nil
	}
	return newProcess(c.PID(), child{Child: c}), times, nil
}

// clock reads the clock, if somebody is to be told of the time.
func (p *Program) clock() (begin clock) {
	if p.observer != nil {
		begin = clock(time.Now())
	}
	return begin
}

// clock is when a start began; the zero value is for one that is not timed.
type clock time.Time

// times are all that is known of a start.
func (c clock) times() *plan.Times {
	begin := time.Time(c)
	if begin.IsZero() {
		return nil
	}
	return &plan.Times{End: time.Since(begin)}
}

// lacking says why optional attributes can't be set.
func (b *backend) lacking() []*plan.Error { return b.program.Lacking() }

// stepOf is the name of the step of an optional attribute, which has none here.
func (b *backend) stepOf(int) string { return StepAttr }

// refused has nothing: all is known at Compile.
func (c *child) refused() []*plan.Error { return nil }

// Steps returns the system calls of a start, in order: those of this process, the
// last of which is fork, and then the child's, up to execve. Their numbers are -1 and
// their names those of Unix, because package syscall chooses the real ones.
func (p *Program) Steps() []Step {
	return stepsOf(p.program.Steps())
}

// steps is how many there are.
func (p *Program) steps() int { return len(p.program.Steps()) }

// featureSet has nothing: os.StartProcess uses what it uses by itself.
func featureSet() FeatureSet {
	const used = "used by the engine"
	return FeatureSet{
		{Name: FeatureEngine, Use: "without: children are made by os.StartProcess"},
		{Name: FeatureClone3, Since: "5.5", Use: used},
		{Name: FeatureCgroup, Since: "5.7", Use: used},
		{Name: FeatureCloseRange, Since: "5.9", Use: used},
		{Name: FeaturePidfd, Since: "5.4", Use: used + "; without: a thread waits for each child"},
		{Name: FeaturePidfdInfo, Since: "6.15", Use: used},
		{Name: FeatureWaitid, Use: used},
		{Name: FeatureSharedMemory, Use: used},
		{Name: FeatureExecSeen, Use: used},
		{Name: FeatureLandlock, Since: "5.13", Use: used},
		{Name: FeatureSeccomp, Since: "3.17", Use: used},
		{Name: FeatureUserNamespaces, Since: "3.8", Use: used},
		{Name: FeatureCgroupNamespaces, Since: "4.6", Use: used},
		{Name: FeatureTimeNamespaces, Since: "5.6", Use: used},
		treeLimits(),
		{Name: FeatureDieWithParent, Since: "3.19", Use: used},
	}
}

var warned atomic.Bool

// warnOnce logs what the fallback costs, once a process.
func (p *Program) warnOnce() {
	if !warned.Swap(true) {
		p.warn("no clone engine: children are made by os.StartProcess, " +
			"ignored signals stay ignored in them, and each that is waited for holds a thread")
	}
}
