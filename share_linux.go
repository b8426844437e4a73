//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package spawn

import (
	"os"
	"runtime"
	"syscall"

	"github.com/safespawn/spawn/internal/engine"
	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// Package handover makes this known to package exec.
func init() {
	plan.Spawn.Take, plan.Spawn.Share, plan.Spawn.Settle = (*Process).take, (*Process).share, (*Process).settle
	plan.Spawn.Orphan = orphan
}

// take gives away the pidfd, and reports whether there is one by which children are
// waited for.
func (p *Process) take() (pidfd int, claim raw.Claim, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &p.child
	if f := kernel.Current(); p.over || c.file != nil || c.Pidfd < 0 || !f.Pidfd || !f.Waitid {
		return -1, raw.Claim{}, false
	}
	pidfd, claim, c.Pidfd = c.Pidfd, c.Claim(), -1
	runtime.SetFinalizer(p, nil) // which would go by the pid
	p.guarded = false
	return pidfd, claim, true
}

// share has a Process without a pidfd use the one that package os has of the child, and
// sees to it that it does not reap the child because it is garbage. Whoever has the
// os.Process tells of the start and the end.
func (p *Process) share(own *raw.OSChild) {
	p.leave()
	p.mu.Lock()
	defer p.unlock()
	p.log, p.observed = nil, nil
	if !p.over && !p.child.Share(own) {
		p.finish(p.taken())
	}
}

// settle says how the child has ended, which somebody else has waited for: with an
// error, or with a status.
func (p *Process) settle(status syscall.WaitStatus, usage *syscall.Rusage, err error) {
	p.mu.Lock()
	defer p.unlock()
	if p.over {
		return
	}
	p.log, p.observed = nil, nil
	var s *ProcessState
	if err == nil {
		s = newState(p.pid, status, usage)
		s.code, s.coded = p.child.Crash(status)
	}
	p.finish(s, err)
	p.closePidfd()
}

// orphan is the Process of a child whose pidfd somebody has left. It knows of the attributes
// what started does, unless that is nil.
func orphan(started *Process, pid, pidfd int, claim raw.Claim) *Process {
	p := newProcess(pid, child{Child: engine.Orphan(pid, pidfd, claim)})
	if started != nil {
		p.optionals, p.child.Refused = started.optionals, started.child.Refused
	}
	return p
}

// isPidfd reports whether a file still is a pidfd of the child.
func (c *child) isPidfd(f *os.File) bool {
	fd, err := highfd.Number(f)
	return err == nil && kernel.IsPidfd(fd, c.PID)
}
