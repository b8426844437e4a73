package attr

import (
	"slices"
	"strings"

	"github.com/safespawn/spawn/internal/names"
	"github.com/safespawn/spawn/internal/plan"
)

// Resource is a resource that has a limit, by Linux's number, RLIMIT_*. See
// getrlimit(2).
type Resource int

// The resources of getrlimit(2).
const (
	ResourceCPU        Resource = iota // in seconds
	ResourceFSize                      // in bytes
	ResourceData                       // in bytes
	ResourceStack                      // in bytes
	ResourceCore                       // in bytes
	ResourceRSS                        // in bytes; Linux ignores it
	ResourceNProc                      // the threads of the user
	ResourceNoFile                     // one more than the highest descriptor
	ResourceMemlock                    // in bytes
	ResourceAS                         // in bytes
	ResourceLocks                      // Linux ignores it
	ResourceSigpending                 // the signals of the user
	ResourceMsgqueue                   // in bytes
	ResourceNice                       // 20 minus the least nice value
	ResourceRTPrio                     // the highest priority of SchedPolicy
	ResourceRTTime                     // in microseconds

	lastResource = ResourceRTTime
)

// String returns the name, such as RLIMIT_NPROC, or "resource 16".
func (r Resource) String() string { return names.Resource(int(r)) }

// ParseResource reads a name, in any case and with or without RLIMIT_. The error
// matches EINVAL.
func ParseResource(s string) (Resource, error) {
	name := strings.TrimPrefix(strings.ToUpper(s), "RLIMIT_")
	all := make([]string, len(names.Resources))
	for i, r := range names.Resources {
		if r.Name == name {
			return Resource(i), nil
		}
		all[i] = strings.ToLower(r.Name)
	}
	slices.Sort(all)
	return 0, plan.Invalid("no resource %q; there are %s", s, strings.Join(all, ", "))
}

// inBytes reports whether the limit is in bytes.
func (r Resource) inBytes() bool { return names.Resources[r].Bytes }
