//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import (
	"context"

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

func (p *Program) start(ctx context.Context) (*Process, error) {
	c, err := p.program.Start(ctx)
	if err != nil {
		return nil, ofStart(p.path, err)
	}
	unseen, ok := ctx.(*plan.Unseen)
	if !ok || p.log != nil { // a logger may panic before whoever starts it looks
		return newProcess(c.PID, child{Child: c}), nil
	}
	if f := kernel.Current(); unseen.Take && c.Pidfd >= 0 && f.Pidfd && f.Waitid {
		unseen.Pidfd, c.Pidfd = c.Pidfd, -1
	}
	return &Process{pid: c.PID, child: child{Child: c}}, nil
}

// Steps returns the child's system calls between clone and execve, in order. Some
// calls depend on the moment of the start; their notes say so.
func (p *Program) Steps() []Step { return stepsOf(p.program.Steps()) }

// steps is the number of the child's operations.
func (b *backend) steps() int { return b.program.Len() }
