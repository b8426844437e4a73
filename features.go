package spawn

import (
	"fmt"
	"strings"
)

// FeatureSet is what the kernel gives to this library, as [Features] found it.
type FeatureSet []Feature

// Feature is one thing that a kernel may or may not give.
type Feature struct {
	Name      string // as in FeatureSet.Has
	Available bool
	Since     string // first Linux version that has it
	Use       string // what for, and what happens without it
}

// Has reports whether the feature called name is available.
func (s FeatureSet) Has(name string) bool {
	for _, f := range s {
		if f.Name == name {
			return f.Available
		}
	}
	return false
}

// String is a table, a line for each feature.
func (s FeatureSet) String() string {
	var b strings.Builder
	for _, f := range s {
		has := "no"
		if f.Available {
			has = "yes"
		}
		fmt.Fprintf(&b, "%-18s %-4s %-6s %s\n", f.Name, has, f.Since, f.Use)
	}
	return b.String()
}

// Features says what this kernel gives: found by doing, not by looking at its
// version. A call that is refused, or killed for, by a seccomp filter counts as not
// available, also when the filter comes later; a shortage at the moment, of
// descriptors, processes or memory, says nothing. The features are:
//
//	engine         children are made by clone, not by os.StartProcess
//	clone3         clone3 with CLONE_CLEAR_SIGHAND; else clone
//	cgroup         CLONE_INTO_CGROUP; else the child moves itself
//	close_range    close_range with CLOSE_RANGE_UNSHARE; else descriptors are closed one by one
//	pidfd          CLONE_PIDFD, waitid and pidfd_send_signal; else a thread waits for each child
//	pidfd_info     PIDFD_GET_INFO has the exit status, also when somebody else waited
//	waitid         waitid; else wait4, and looks again and again at children that live long
//	shared_memory  CLONE_VM shares memory; else failures come by pipe
func Features() FeatureSet { return featureSet() }
