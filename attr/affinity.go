package attr

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// CPUAffinity sets the CPUs that the child may run on, by number. The child sets it
// after it has joined its cgroup, and before [SchedPolicy], because SchedDeadline
// needs all CPUs.
//
// The kernel leaves out CPUs that do not exist or that the cgroup does not allow.
// If no CPU remains, the error is EINVAL. See sched_setaffinity(2).
type CPUAffinity []int

// NUMAPolicy sets the NUMA nodes from which the child gets its memory. Its numbers
// are the kernel's. The zero value is NUMADefault.
//
// The policy belongs to the child's thread, and everything that the thread makes
// inherits it. The child sets it after it has joined its cgroup. CONFIG_NUMA. See
// set_mempolicy(2).
type NUMAPolicy struct {
	// Mode is one of the constants NUMADefault and so on.
	Mode int
	// Flags are NUMAStaticNodes, NUMARelativeNodes and NUMABalancing, where they
	// apply.
	Flags uint
	// Nodes are the numbers of the nodes. NUMADefault and NUMALocal take none. All
	// other modes take at least one, and NUMAPreferred uses the first.
	Nodes []int
}

// The modes of NUMAPolicy, and its flags.
const (
	NUMADefault            = 0
	NUMAPreferred          = 1
	NUMABind               = 2
	NUMAInterleave         = 3
	NUMALocal              = 4 // Linux 3.8
	NUMAPreferredMany      = 5 // Linux 5.15
	NUMAWeightedInterleave = 6 // Linux 6.9

	NUMABalancing     = 1 << 13 // Linux 5.12
	NUMARelativeNodes = 1 << 14
	NUMAStaticNodes   = 1 << 15
)

const (
	maxCPU  = 1<<16 - 1
	maxNode = 1<<10 - 1

	numaFlags = NUMABalancing | NUMARelativeNodes | NUMAStaticNodes
)

// bitmap has the bits of list set, and is as long as it needs to be.
func bitmap(list []int) []uint64 {
	var words []uint64
	for _, n := range list {
		for n/64 >= len(words) {
			words = append(words, 0)
		}
		words[n/64] |= 1 << (n % 64)
	}
	return words
}

// outOfRange returns the first of list that is not in 0..last.
func outOfRange(list []int, last int) (n int, bad bool) {
	for _, n := range list {
		if n < 0 || n > last {
			return n, true
		}
	}
	return 0, false
}

func (l CPUAffinity) check(c *plan.Claims) error {
	if len(l) == 0 {
		return invalid(plan.StepAffinity, "", "no CPU")
	}
	if n, bad := outOfRange(l, maxCPU); bad {
		return invalid(plan.StepAffinity, fmt.Sprint(n), "no such CPU")
	}
	return c.Claim("the CPU affinity", "attr.CPUAffinity")
}

func (l CPUAffinity) lower(p *plan.Plan) {
	mask := bitmap(l)
	p.Step(plan.StepAffinity, fmt.Sprint([]int(l)))
	p.Call(plan.Affinity, raw.SchedSetaffinity, raw.Int(0), raw.Int(int64(8*len(mask))), p.Builder().Words(mask...))
}

// Modes and flags have the names of numactl(8) and of tmpfs(5).
var (
	numaModeNames = []string{"default", "preferred", "bind", "interleave", "local", "preferred-many", "weighted-interleave"}
	numaFlagNames = []string{"balancing", "relative", "static"} // from NUMABalancing on
)

func (n NUMAPolicy) object() string {
	mode := nameAt(numaModeNames, n.Mode)
	for i, name := range numaFlagNames {
		if n.Flags&(NUMABalancing<<i) != 0 {
			mode += "+" + name
		}
	}
	if len(n.Nodes) == 0 {
		return "mode=" + mode
	}
	return fmt.Sprintf("mode=%s nodes=%d", mode, n.Nodes)
}

// nameAt is the name of a number, or where it has none its digits.
func nameAt(names []string, n int) string {
	if n < 0 || n >= len(names) {
		return strconv.Itoa(n)
	}
	return names[n]
}

func (n NUMAPolicy) check(c *plan.Claims) error {
	if n.Mode < NUMADefault || n.Mode > NUMAWeightedInterleave {
		return invalid(plan.StepMempolicy, n.object(), "no such mode")
	}
	if bad := n.Flags &^ numaFlags; bad != 0 {
		return invalid(plan.StepMempolicy, n.object(), "no such flags: %#x", bad)
	}
	if none := n.Mode == NUMADefault || n.Mode == NUMALocal; none != (len(n.Nodes) == 0) {
		return invalid(plan.StepMempolicy, n.object(), "nodes with a mode that takes none, or none with another")
	}
	if node, bad := outOfRange(n.Nodes, maxNode); bad {
		return invalid(plan.StepMempolicy, n.object(), "no such node: %d", node)
	}
	return c.Claim("the memory policy", "attr.NUMAPolicy")
}

// lower passes the number of bits plus one: the kernel takes one off.
func (n NUMAPolicy) lower(p *plan.Plan) {
	nodes, bits := raw.Int(0), 0
	if mask := bitmap(n.Nodes); len(mask) > 0 {
		nodes, bits = p.Builder().Words(mask...), 64*len(mask)+1
	}
	p.Step(plan.StepMempolicy, n.object())
	p.Call(plan.Raise, raw.SetMempolicy, raw.Int(int64(uint(n.Mode)|n.Flags)), nodes, raw.Int(int64(bits)))
}

// ParseCPUs reads a list with commas of CPUs and of ranges, as taskset(1) does: 0-3,8,
// or 0-30:2 for each second one. The error matches EINVAL.
func ParseCPUs(s string) ([]int, error) { return parseNumbers(s, maxCPU) }

// ParseNodes reads a list of NUMA nodes in the form of [ParseCPUs].
func ParseNodes(s string) ([]int, error) { return parseNumbers(s, maxNode) }

// parseNumbers reads numbers from 0 to most, and ranges of them.
func parseNumbers(s string, most int) (list []int, err error) {
	for item := range strings.SplitSeq(s, ",") {
		first, last, by, ok := parseSpan(item, most)
		if !ok {
			return nil, plan.Invalid("%q is not a number from 0 to %d, or a range such as 0-3 or 0-30:2", item, most)
		}
		for n := first; n <= last; n += by {
			list = append(list, n)
		}
		if len(list) > most+1 {
			return nil, plan.Invalid("more than %d numbers", most+1)
		}
	}
	return list, nil
}

// parseSpan reads FIRST, FIRST-LAST or FIRST-LAST:BY.
func parseSpan(s string, most int) (first, last, by int, ok bool) {
	number := func(s string) int {
		if n, err := strconv.Atoi(s); err == nil && n <= most {
			return n
		}
		return -1
	}
	span, step, stepped := strings.Cut(s, ":")
	low, high, ranged := strings.Cut(span, "-")
	if first, last, by = number(low), number(low), 1; ranged {
		last = number(high)
	}
	if stepped {
		by = number(step)
	}
	return first, last, by, first >= 0 && last >= first && by > 0 && (ranged || !stepped)
}
