//go:build !linux || android || !(amd64 || arm64) || spawn_forkexec

package spawn

import (
	"context"
	"sync/atomic"

	"github.com/safespawn/spawn/internal/forkexec"
	"github.com/safespawn/spawn/internal/plan"
)

// backend makes children by os.StartProcess here.
type backend struct{ program *forkexec.Program }

func (b *backend) compile(s *Spec, argv, env []string, _ bool) (err error) {
	b.program, err = forkexec.Compile(&forkexec.Input{
		Path: s.Path, Argv: argv, Env: env, Actions: s.Actions.list, Attr: s.Attr,
	})
	return err
}

// release has nothing to give back here.
func (b *backend) release() {}

func (p *Program) start(ctx context.Context, _ *plan.Handover) (*Process, error) {
	c, err := p.program.Start(ctx)
	if err != nil {
		return nil, ofStart(p.path, err)
	}
	return newProcess(c.PID(), child{c}), nil
}

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
	return FeatureSet{
		{"engine", false, "", "without: children are made by os.StartProcess"},
		{"clone3", false, "5.5", "used by the engine"},
		{"cgroup", false, "5.7", "used by the engine"},
		{"close_range", false, "5.9", "used by the engine"},
		{"pidfd", false, "5.4", "used by the engine; without: a thread waits for each child"},
		{"pidfd_info", false, "6.15", "used by the engine"},
		{"waitid", false, "", "used by the engine"},
		{"shared_memory", false, "", "used by the engine"},
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
