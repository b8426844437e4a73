package attr

import (
	"fmt"
	"time"

	"github.com/safespawn/spawn/internal/plan"
)

// TimeOffsets sets the clocks of a new time namespace, relative to those outside. The
// child must have a time namespace of its own: by [Namespaces] or [Unshare] with
// CLONE_NEWTIME. With TimeOffsets the child makes the namespace by unshare in both
// cases, because the offsets can't change once a process is in it.
//
// If a clock would be negative, or beyond 146 years, the error is ERANGE. Linux 6.2; from
// 5.6 on only the child's own children are in the namespace. Privilege: CAP_SYS_TIME. The
// child has it in a user namespace made together with the time namespace. See
// time_namespaces(7).
type TimeOffsets struct {
	// Monotonic is for CLOCK_MONOTONIC and its kin, Boottime for CLOCK_BOOTTIME and for
	// the uptime.
	Monotonic, Boottime time.Duration
}

func (o TimeOffsets) check(c *plan.Claims) error {
	c.Need(ownNamespace("time"), "attr.TimeOffsets", "time", "attr.Namespaces", "attr.Unshare")
	return c.Claim("the offsets of clocks", "attr.TimeOffsets")
}

func (o TimeOffsets) lower(p *plan.Plan) {
	const monotonic, boottime = 1, 7 // as of clock_gettime
	p.SetTimeOffsets(offset(monotonic, o.Monotonic)+offset(boottime, o.Boottime), fmt.Sprintf("monotonic %v, boottime %v", o.Monotonic, o.Boottime))
}

// offset is a line of timens_offsets: a clock, seconds, and nanoseconds that are not negative.
func offset(clock int, d time.Duration) string {
	seconds, rest := d/time.Second, d%time.Second
	if rest < 0 {
		seconds, rest = seconds-1, rest+time.Second
	}
	return fmt.Sprintf("%d %d %d\n", clock, int64(seconds), int64(rest))
}
