package spawn

import (
	"strconv"
)

// HeldBy is the means that holds a [Tree] together.
type HeldBy uint8

// The means, from the strongest to the weakest.
const (
	HeldByCgroup       HeldBy = 1 + iota // a control group of version 2, on Linux
	HeldByPIDNamespace                   // a pid namespace with an init of the library's own, on Linux
	HeldByJob                            // a job, on Windows
	HeldByGroups                         // the process groups that the children lead
)

// String returns the means as two words or less, such as "control group".
func (h HeldBy) String() string {
	switch h {
	case HeldByCgroup:
		return "control group"
	case HeldByPIDNamespace:
		return "pid namespace"
	case HeldByJob:
		return "job"
	case HeldByGroups:
		return "process groups"
	}
	return "HeldBy(" + strconv.Itoa(int(h)) + ")"
}

// Holding says what holds a [Tree] together.
type Holding struct {
	// By is the means.
	By HeldBy
	// Escapes says which processes can leave the tree, so that neither Signal nor Kill
	// reaches them. It is never empty: there are always some with enough privilege.
	Escapes string
	// Why is the reason why no stronger means is used. It is nil for a control group
	// and for a job.
	Why error
}

// Certain reports whether a process needs privilege to leave the tree: setsid, setpgid,
// and the end of its parent do not do it.
func (h Holding) Certain() bool { return h.By != HeldByGroups }

// String returns all of it, for people to read.
func (h Holding) String() string {
	s := h.By.String() + "; can leave: " + h.Escapes
	if h.Why != nil {
		s += "; nothing stronger: " + h.Why.Error()
	}
	return s
}

// Holds says what holds the tree together, and what it does not guarantee.
func (t *Tree) Holds() Holding {
	switch loose := t.held.Loose(); {
	case loose != nil:
		return Holding{HeldByGroups, "whoever calls setsid or setpgid, as daemons do, and whoever is left of the group of a child that has been reaped, before Linux 6.9", loose}
	case t.held.PIDNamespace() != nil:
		return Holding{HeldByPIDNamespace, "nobody; but what a process of the tree asks others to start, is outside", t.held.Weaker()}
	case t.held.Dir() == nil:
		return Holding{HeldByJob, "whoever has a handle of the job; jobs can't be left", nil}
	}
	return Holding{HeldByCgroup, "whoever may write to cgroup.procs of another control group: root, and the user of this process where groups are mounted writable", nil}
}
