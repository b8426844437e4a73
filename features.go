package spawn

import (
	"fmt"
	"strings"
)

// FeatureSet lists what the kernel offers to this library, as [Features] found it.
type FeatureSet []Feature

// Feature is one thing that a kernel may or may not offer.
type Feature struct {
	Name      FeatureName
	Available bool
	Since     string // first Linux version that has it
	Use       string // what for, and what happens without it
	Version   int    // of the kernel's interface, if it has versions, as Landlock
}

// FeatureName is the name of a [Feature].
type FeatureName string

// The features that the engine uses. Without one of these it does the same in another
// way.
const (
	FeatureEngine       FeatureName = "engine"        // children are made by clone, not by os.StartProcess
	FeatureClone3       FeatureName = "clone3"        // clone3 with CLONE_CLEAR_SIGHAND; without it, clone
	FeatureCgroup       FeatureName = "cgroup"        // CLONE_INTO_CGROUP; without it, the child moves itself
	FeatureCloseRange   FeatureName = "close_range"   // close_range with CLOSE_RANGE_UNSHARE; without it, descriptors are closed one by one
	FeaturePidfd        FeatureName = "pidfd"         // CLONE_PIDFD, waitid and pidfd_send_signal; without it, one thread waits for all children
	FeaturePidfdInfo    FeatureName = "pidfd_info"    // PIDFD_GET_INFO has the exit status, even if somebody else has waited
	FeatureWaitid       FeatureName = "waitid"        // waitid; without it, wait4, and a repeated look at children that live long
	FeatureSharedMemory FeatureName = "shared_memory" // CLONE_VM shares memory; without it, failures come by a pipe
	FeatureExecSeen     FeatureName = "exec_seen"     // a child is seen to be past execve; without it, in gVisor, those that may wait before get a copy of the memory
)

// The features that attributes need. Without one of these the attribute fails, unless the
// feature says what happens then.
const (
	FeatureLandlock         FeatureName = "landlock"          // attr.Landlock; Feature.Version says what it can restrict
	FeatureSeccomp          FeatureName = "seccomp"           // attr.Seccomp
	FeatureUserNamespaces   FeatureName = "user_namespaces"   // attr.Namespaces and attr.Unshare with CLONE_NEWUSER
	FeatureCgroupNamespaces FeatureName = "cgroup_namespaces" // the same with CLONE_NEWCGROUP
	FeatureTimeNamespaces   FeatureName = "time_namespaces"   // the same with CLONE_NEWTIME
	FeatureDieWithParent    FeatureName = "die_with_parent"   // attr.DieWithParent ends whole trees; without it, the child alone
)

// FeatureTreeLimits says whether limits can be set for a [Tree], which controllers there
// are, who is in the way, and where. docs/trees.md says how to get them.
const FeatureTreeLimits FeatureName = "tree_limits"

// Has reports whether the feature called name is available. A name that is not in s
// is not available.
func (s FeatureSet) Has(name FeatureName) bool {
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
		switch {
		case f.Available && f.Version > 0:
			has = fmt.Sprintf("yes, version %d", f.Version)
		case f.Available:
			has = "yes"
		}
		fmt.Fprintf(&b, "%-18s %-15s %-6s %s\n", f.Name, has, f.Since, f.Use)
	}
	return b.String()
}

// Features says what this kernel offers. It tries the calls, rather than look at
// the kernel's version. If a seccomp filter refuses a call, or kills for it, the
// call counts as missing, even if the filter is installed later. A shortage of
// descriptors, processes or memory decides nothing.
//
// What the engine uses is looked for once. What attributes need is looked for at each
// call of Features, which makes some children for it. None of them runs a program or
// sends a SIGCHLD, but for one that becomes the init of a pid namespace. A feature of an attribute may be available and the attribute fail
// all the same, as where privilege is missing.
func Features() FeatureSet { return featureSet() }
