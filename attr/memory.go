package attr

import (
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// MemoryDenyWriteExec keeps the child, for good, from making memory executable that
// is writable, or that was not executable from the start. A just-in-time compiler
// does so. The child's own children inherit the restriction. The child gets a copy
// of the memory; see [CoredumpFilter]. Linux 6.3; before that the error is EINVAL.
// See PR_SET_MDWE(2const).
type MemoryDenyWriteExec struct{}

// NoHugePages keeps the kernel from giving the child transparent huge pages. A
// program that uses little of each page wastes memory with them. The child gets a
// copy of the memory; see [CoredumpFilter]. Linux 3.15. See
// PR_SET_THP_DISABLE(2const).
type NoHugePages struct{}

// MergePages lets the kernel merge pages of the child with other pages of the same
// contents, if KSM runs; see ksm in the kernel's documentation. This tells other
// programs something about the contents of the child's memory. The child gets a
// copy of the memory; see [CoredumpFilter].
//
// Linux 6.7; before that the setting does not last beyond execve, so it has no
// effect. Before Linux 6.4, and without KSM, the error is EINVAL. See prctl(2).
type MergePages struct{}

const (
	prSetTHPDisable  = 41
	prSetMDWE        = 65
	prSetMemoryMerge = 67

	mdweRefuseExecGain = 1
)

func (MemoryDenyWriteExec) check(c *plan.Claims) error {
	return checkMemory(c, "writable code", "attr.MemoryDenyWriteExec")
}

// checkMemory claims something that belongs to the memory.
func checkMemory(c *plan.Claims, what, by string) error {
	c.Bar(noWrite, by, "", "a child with a copy of the memory reports failures by write")
	return c.Claim(what, by)
}

func (MemoryDenyWriteExec) lower(p *plan.Plan) {
	lowerMemory(p, plan.StepMDWE, prSetMDWE, mdweRefuseExecGain)
}

// lowerMemory sets something that belongs to the memory.
func lowerMemory(p *plan.Plan, step string, option, value int64) {
	p.CopiedMemory = true
	zero := raw.Int(0)
	p.Step(step, "")
	p.Call(plan.Lower, raw.Prctl, raw.Int(option), raw.Int(value), zero, zero, zero)
}

func (NoHugePages) check(c *plan.Claims) error {
	return checkMemory(c, "huge pages", "attr.NoHugePages")
}

func (NoHugePages) lower(p *plan.Plan) {
	lowerMemory(p, plan.StepTHPDisable, prSetTHPDisable, 1)
}

func (MergePages) check(c *plan.Claims) error {
	return checkMemory(c, "merged pages", "attr.MergePages")
}

func (MergePages) lower(p *plan.Plan) {
	lowerMemory(p, plan.StepMemoryMerge, prSetMemoryMerge, 1)
}
