package attr

import (
	"fmt"

	"github.com/safespawn/spawn/internal/plan"
)

// CoredumpFilter says which mappings a core dump of the child has; 0 is none of
// them. The child writes it to /proc/self/coredump_filter, before root directory
// and credentials change, so /proc must be there. Needs no privilege. See core(5).
//
// The filter belongs to the memory, which a child shares with this process until
// execve. So this child gets a copy of the memory instead, as fork makes it: of
// the page tables, not the pages, which takes the longer the larger this process
// is. Its failures come by a pipe, for which a filter of [Seccomp] must allow write.
type CoredumpFilter uint

// What a core dump has.
const (
	DumpAnonPrivate CoredumpFilter = 1 << iota
	DumpAnonShared
	DumpFilePrivate
	DumpFileShared
	DumpELFHeaders
	DumpHugePrivate
	DumpHugeShared
	DumpDAXPrivate
	DumpDAXShared

	dumpAll = 1<<iota - 1
)

func (f CoredumpFilter) check(c *plan.Claims) error {
	if f > dumpAll {
		return invalid(plan.StepCoredumpFilter, fmt.Sprintf("%#x", uint(f)), "unknown bits")
	}
	return checkMemory(c, "the coredump filter", "attr.CoredumpFilter")
}

func (f CoredumpFilter) lower(p *plan.Plan) {
	p.CopiedMemory = true
	text := fmt.Sprintf("%#x", uint(f))
	fd := p.Builder().Var()
	p.Step(plan.StepCoredumpFilter, text)
	p.OpenProc(plan.HostFiles, "/proc/self/coredump_filter").Keep(fd)
	p.WriteProc(plan.HostFiles, fd, text)
}
