package spawn

import (
	"fmt"
	"strings"
)

// FeatureSet lists what the kernel offers to this library, as [Features] found it.
type FeatureSet []Feature

// Feature is one thing that a kernel may or may not offer.
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

// String returns a table with a line for each feature.
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

// Features says what this kernel offers. It tries the calls, rather than look at
// the kernel's version. If a seccomp filter refuses a call, or kills for it, the
// call counts as missing, even if the filter is installed later. A shortage of
// descriptors, processes or memory decides nothing. The features are:
//
//	engine         children are made by clone, not by os.StartProcess
//	clone3         clone3 with CLONE_CLEAR_SIGHAND; without it, clone
//	cgroup         CLONE_INTO_CGROUP; without it, the child moves itself
//	close_range    close_range with CLOSE_RANGE_UNSHARE; without it, descriptors are closed one by one
//	pidfd          CLONE_PIDFD, waitid and pidfd_send_signal; without it, a thread waits for each child
//	pidfd_info     PIDFD_GET_INFO has the exit status, even if somebody else has waited
//	waitid         waitid; without it, wait4, and a repeated look at children that live long
//	shared_memory  CLONE_VM shares memory; without it, failures come by a pipe
func Features() FeatureSet { return featureSet() }
