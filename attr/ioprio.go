package attr

import (
	"fmt"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// IOPrio sets the priority of input and output. Class is one of the constants
// IOPrioNone and so on, which are the kernel's numbers. Level is from 0, most
// favourable, to 7 for IOPrioRealTime and IOPrioBestEffort. It is 0 for the other
// classes. The zero value is IOPrioNone: the priority then follows the policy and
// the nice value.
//
// Privilege: for IOPrioRealTime, CAP_SYS_ADMIN, or from Linux 5.14 on CAP_SYS_NICE.
// See ioprio_set(2).
type IOPrio struct{ Class, Level int }

// The classes of IOPrio.
const (
	IOPrioNone       = 0
	IOPrioRealTime   = 1
	IOPrioBestEffort = 2
	IOPrioIdle       = 3
)

const (
	ioprioWhoProcess = 1
	ioprioClassShift = 13
	ioprioLevels     = 8
)

// ioprioClassNames are those of ionice(1).
var ioprioClassNames = []string{"none", "realtime", "best-effort", "idle"}

func (i IOPrio) object() string {
	return fmt.Sprintf("class=%s level=%d", nameAt(ioprioClassNames, i.Class), i.Level)
}

func (i IOPrio) check(c *plan.Claims) error {
	levels := 1
	switch i.Class {
	case IOPrioNone, IOPrioIdle:
	case IOPrioRealTime, IOPrioBestEffort:
		levels = ioprioLevels
	default:
		return invalid(plan.StepIOPrio, i.object(), "no such class")
	}
	if i.Level < 0 || i.Level >= levels {
		return invalid(plan.StepIOPrio, i.object(), "level out of range")
	}
	return c.Claim("the I/O priority", "attr.IOPrio")
}

func (i IOPrio) lower(p *plan.Plan) {
	prio := raw.Int(int64(i.Class)<<ioprioClassShift | int64(i.Level))
	p.Step(plan.StepIOPrio, i.object())
	p.Call(plan.Raise, raw.IoprioSet, raw.Int(ioprioWhoProcess), raw.Int(0), prio)
}
