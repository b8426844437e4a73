package attr

import (
	"fmt"

	"github.com/safespawn/spawn/internal/plan"
)

// CoredumpFilter selects the mappings that a core dump of the child contains. 0
// selects none. The child writes the filter to /proc/self/coredump_filter before
// its root directory and its credentials change, so /proc must be there.
//
// The filter belongs to the memory, and a child shares its parent's memory until
// execve. So this child gets a copy of the memory instead, as fork makes it. The
// kernel copies the page tables and not the pages, and takes the longer the larger
// this process is. The child reports a failure by a pipe, so a filter of [Seccomp]
// must allow write. See core(5).
type CoredumpFilter uint

// The kinds of mappings that a core dump may contain. Combine them by |.
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
