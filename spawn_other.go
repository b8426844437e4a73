//go:build !linux || android || !(amd64 || arm64) || spawn_forkexec

package spawn

import (
	"context"

	"github.com/safespawn/spawn/internal/forkexec"
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

func (p *Program) start(ctx context.Context) (*Process, error) {
	c, err := p.program.Start(ctx)
	if err != nil {
		return nil, ofStart(p.path, err)
	}
	return newProcess(c.PID(), child{c}), nil
}

// Steps are the system calls that a start comes to, in order: first those of this
// process, whose notes say so, then those between fork and execve. Their numbers
// are -1 and their names those of Unix: package syscall chooses the real ones.
func (p *Program) Steps() []Step {
	return stepsOf(p.program.Steps())
}

// steps is how many there are.
func (p *Program) steps() int { return len(p.program.Steps()) }
