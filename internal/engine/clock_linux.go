//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// clockVars are where the child of a program that is timed notes the time, as two
// struct timespec; 0 where it is not timed.
type clockVars struct{ first, last raw.Var }

// timespecWords is the size of the largest struct timespec.
const timespecWords = 2

// lowerClock has the child read the clock before all else.
func (p *Program) lowerClock(in *Input, pl *plan.Plan) {
	if !in.Timed {
		return
	}
	b := pl.Builder()
	p.clock = clockVars{b.Vars(timespecWords), b.Vars(timespecWords)}
	p.clock.read(pl, plan.FileTable, p.clock.first)
}

// read has the child read the clock in a phase, where the program is timed.
func (c *clockVars) read(pl *plan.Plan, phase plan.Phase, to raw.Var) {
	if to == 0 {
		return
	}
	pl.StartStep(plan.StepClock)
	pl.Call(phase, raw.ClockGettime, raw.Int(unix.CLOCK_MONOTONIC), pl.Builder().AddrOf(to)).Ignore()
}

// begin notes the time before the clone.
func (c *clockVars) begin(a *attempt) {
	if c.first != 0 {
		a.begun = now()
	}
}

// times are those of a run that is over: nil where the program is not timed, or the run
// did not come to the clone.
func (c *clockVars) times(a *attempt) *plan.Times {
	if a.begun == 0 {
		return nil
	}
	return &plan.Times{Clone: a.begun, First: a.time(c.first), Last: a.time(c.last), End: now()}
}

// time is what the child has noted.
func (a *attempt) time(v raw.Var) time.Duration {
	return a.r.Timespec(v)
}

// now is the time by the child's clock.
func now() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // it would have to be refused
	return time.Duration(ts.Nano())
}
