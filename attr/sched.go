package attr

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// SchedPolicy sets the scheduling policy. The zero value is the default policy. The
// nice value stays as it is; see [Nice].
//
// The steps are called sched and sched_util. Start waits for execve, so on a busy
// machine a child with SchedIdle holds up Start.
//
// Linux 3.14 for SchedDeadline, and Linux 5.3 with CONFIG_UCLAMP_TASK for UtilMin
// and UtilMax. Privilege: for SchedFIFO and SchedRR, CAP_SYS_NICE or RLIMIT_RTPRIO;
// for SchedDeadline, CAP_SYS_NICE and an affinity that allows all CPUs. See
// sched(7).
type SchedPolicy struct {
	// Policy is one of the constants SchedOther and so on, which are the kernel's
	// numbers. Priority is from 1 to 99 for SchedFIFO and SchedRR, and 0 for all
	// other policies.
	Policy, Priority int
	// ResetOnFork keeps the program's own children from SchedFIFO, SchedRR and
	// SchedDeadline, and from a nice value below 0. A program with SchedDeadline
	// can't fork without ResetOnFork.
	ResetOnFork bool
	// Runtime, Deadline and Period are for SchedDeadline alone. It needs Runtime
	// and Deadline. A Period of 0 means Deadline.
	Runtime, Deadline, Period time.Duration
	// UtilMin and UtilMax clamp the utilisation that the kernel assumes, up to
	// 1024. 0 leaves a clamp as it is. They exclude SchedDeadline.
	UtilMin, UtilMax int
}

// The policies of SchedPolicy, as the kernel numbers them.
const (
	SchedOther    = 0
	SchedFIFO     = 1
	SchedRR       = 2
	SchedBatch    = 3
	SchedIdle     = 5
	SchedDeadline = 6
)

const (
	maxRTPriority = 99
	maxUtil       = 1024
	leastRuntime  = 1024 * time.Nanosecond

	schedResetOnFork = 1 << 30 // to sched_setscheduler

	schedFlagResetOnFork = 0x1 // to sched_setattr
	schedFlagKeepParams  = 0x10
	schedFlagUtilMin     = 0x20
	schedFlagUtilMax     = 0x40

	sizeofSchedAttr     = 48 // struct sched_attr of Linux 3.14
	sizeofSchedAttrUtil = 56 // that of Linux 5.3
)

var policyNames = map[int]string{
	SchedOther: "OTHER", SchedFIFO: "FIFO", SchedRR: "RR", SchedBatch: "BATCH", SchedIdle: "IDLE", SchedDeadline: "DEADLINE",
}

func (s SchedPolicy) realTime() bool { return s.Policy == SchedFIFO || s.Policy == SchedRR }

func (s SchedPolicy) deadline() bool { return s.Policy == SchedDeadline }

// object is what a step acts on.
func (s SchedPolicy) object() string {
	var b strings.Builder
	b.WriteString(policyNames[s.Policy])
	if s.Priority != 0 {
		fmt.Fprintf(&b, " priority=%d", s.Priority)
	}
	if s.deadline() {
		fmt.Fprintf(&b, " runtime=%v deadline=%v period=%v", s.Runtime, s.Deadline, s.Period)
	}
	if s.ResetOnFork {
		b.WriteString(" reset-on-fork")
	}
	return b.String()
}

func (s SchedPolicy) check(c *plan.Claims) error {
	if policyNames[s.Policy] == "" {
		return invalid(plan.StepSched, fmt.Sprint(s.Policy), "no such policy")
	}
	if why := s.wrong(); why != "" {
		return invalid(plan.StepSched, s.object(), "%s", why)
	}
	return c.Claim("the scheduling policy", "attr.SchedPolicy")
}

// wrong says what is wrong with a known policy.
func (s SchedPolicy) wrong() string {
	switch {
	case s.realTime() && (s.Priority < 1 || s.Priority > maxRTPriority):
		return "the priority is not from 1 to 99"
	case !s.realTime() && s.Priority != 0:
		return "a priority without SchedFIFO or SchedRR"
	case !s.deadline() && (s.Runtime != 0 || s.Deadline != 0 || s.Period != 0):
		return "times without SchedDeadline"
	case s.deadline() && (s.Runtime < leastRuntime || s.Runtime > s.Deadline):
		return "the runtime is not from 1024ns to the deadline"
	case s.deadline() && s.Period != 0 && s.Deadline > s.Period:
		return "the deadline is after the period"
	case s.UtilMin < 0 || s.UtilMin > maxUtil || s.UtilMax < 0 || s.UtilMax > maxUtil:
		return "a clamp is not from 0 to 1024"
	case s.UtilMax != 0 && s.UtilMin > s.UtilMax:
		return "UtilMin is above UtilMax"
	case s.deadline() && s.UtilMin+s.UtilMax != 0:
		return "clamps with SchedDeadline"
	}
	return ""
}

// lower prefers sched_setscheduler, which leaves the nice value alone.
func (s SchedPolicy) lower(p *plan.Plan) {
	p.Step(plan.StepSched, s.object())
	if s.deadline() {
		s.setAttr(p, sizeofSchedAttr, 0)
		return
	}
	policy := int64(s.Policy)
	if s.ResetOnFork {
		policy |= schedResetOnFork
	}
	param := p.Builder().Uint32s([]uint32{uint32(s.Priority)})
	p.Call(plan.Raise, raw.SchedSetscheduler, raw.Int(0), raw.Int(policy), param)

	var clamps uint64
	if s.UtilMin != 0 {
		clamps |= schedFlagUtilMin
	}
	if s.UtilMax != 0 {
		clamps |= schedFlagUtilMax
	}
	if clamps != 0 {
		p.Step(plan.StepSchedUtil, fmt.Sprintf("min=%d max=%d", s.UtilMin, s.UtilMax))
		s.setAttr(p, sizeofSchedAttrUtil, clamps|schedFlagKeepParams)
	}
}

// setAttr passes a struct sched_attr.
func (s SchedPolicy) setAttr(p *plan.Plan, size, flags uint64) {
	if s.ResetOnFork {
		flags |= schedFlagResetOnFork
	}
	a := p.Builder().Words(raw.Pair(uint32(size), uint32(s.Policy)), flags, raw.Pair(0, uint32(s.Priority)),
		uint64(s.Runtime), uint64(s.Deadline), uint64(s.Period), raw.Pair(uint32(s.UtilMin), uint32(s.UtilMax)))
	p.Call(plan.Raise, raw.SchedSetattr, raw.Int(0), a, raw.Int(0))
}

// TimerSlack sets how much later than asked for the program's timers may expire.
// The kernel then wakes the program less often. 0 means the default, which is the
// slack of the calling thread. Real-time policies have no slack. The child sets it
// after the policy. A program of 32 bits can't ask for more than 4.29 s. See
// PR_SET_TIMERSLACK(2const).
type TimerSlack time.Duration

const prSetTimerslack = 29

func (s TimerSlack) check(c *plan.Claims) error {
	switch {
	case s < 0:
		return invalid(plan.StepTimerSlack, time.Duration(s).String(), "negative")
	case uint64(s) > math.MaxUint:
		return invalid(plan.StepTimerSlack, time.Duration(s).String(), "more than %d ns, in a program of 32 bits", uint(math.MaxUint))
	}
	return c.Claim("the timer slack", "attr.TimerSlack")
}

func (s TimerSlack) lower(p *plan.Plan) {
	zero := raw.Int(0)
	p.Step(plan.StepTimerSlack, time.Duration(s).String())
	p.Call(plan.Lower, raw.Prctl, raw.Int(prSetTimerslack), raw.Int(int64(s)), zero, zero, zero)
}

// CoreSched gives the child a core scheduling cookie of its own. No other program
// then runs on the same core at the same time. The child's own children inherit the
// cookie.
//
// Linux 5.14. Without CONFIG_SCHED_CORE the error matches EINVAL. On a CPU without
// SMT it matches ENODEV. Both match [errors.ErrUnsupported]. See
// PR_SCHED_CORE(2const).
type CoreSched struct{}

const (
	prSchedCore          = 62
	prSchedCoreCreate    = 1
	schedCoreThreadGroup = 1 // PR_SCHED_CORE_SCOPE_THREAD_GROUP
	schedCoreCookie      = "the core scheduling cookie"
)

func (CoreSched) check(c *plan.Claims) error { return c.Claim(schedCoreCookie, "attr.CoreSched") }

func (CoreSched) lower(p *plan.Plan) {
	zero := raw.Int(0)
	p.Step(plan.StepCoreSched, "")
	p.Call(plan.Raise, raw.Prctl, raw.Int(prSchedCore), raw.Int(prSchedCoreCreate), zero, raw.Int(schedCoreThreadGroup), zero)
}
