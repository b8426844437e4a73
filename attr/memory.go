package attr

import (
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// MemoryDenyWriteExec keeps the child, for good, from making memory executable
// that is writable or was not executable from the start, as a just-in-time
// compiler does. No privilege is needed, and children of the child have it, too.
// The child gets a copy of the memory; see [CoredumpFilter]. Linux 6.3; the error
// is EINVAL before. See PR_SET_MDWE(2const).
type MemoryDenyWriteExec struct{}

// NoHugePages keeps the kernel from giving the child transparent huge pages, of
// which a program that uses little of each wastes memory. The child gets a copy of
// the memory; see [CoredumpFilter]. Linux 3.15. See PR_SET_THP_DISABLE(2const).
type NoHugePages struct{}

// MergePages lets the kernel merge all pages of the child that have the same
// contents as others, where KSM runs; see ksm in the kernel's documentation. It
// tells the child's neighbours something about its contents. The child gets a copy
// of the memory; see [CoredumpFilter]. Linux 6.4; the error is EINVAL before, and
// without KSM. It takes 6.7 to last beyond execve: before, it has no effect.
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
