package attr

import (
	"slices"
	"strconv"
	"strings"

	"github.com/safespawn/spawn/internal/names"
	"github.com/safespawn/spawn/internal/plan"
)

// Capability is a capability of Linux, by its number. See capabilities(7).
type Capability int

// The capabilities of capabilities(7). A later kernel may have more, up to 63.
const (
	CapChown Capability = iota
	CapDACOverride
	CapDACReadSearch
	CapFOwner
	CapFSetID
	CapKill
	CapSetGID
	CapSetUID
	CapSetPCap
	CapLinuxImmutable
	CapNetBindService
	CapNetBroadcast
	CapNetAdmin
	CapNetRaw
	CapIPCLock
	CapIPCOwner
	CapSysModule
	CapSysRawIO
	CapSysChroot
	CapSysPtrace
	CapSysPAcct
	CapSysAdmin
	CapSysBoot
	CapSysNice
	CapSysResource
	CapSysTime
	CapSysTTYConfig
	CapMknod
	CapLease
	CapAuditWrite
	CapAuditControl
	CapSetFCap
	CapMACOverride
	CapMACAdmin
	CapSyslog
	CapWakeAlarm
	CapBlockSuspend
	CapAuditRead
	CapPerfmon           // Linux 5.8
	CapBPF               // Linux 5.8
	CapCheckpointRestore // Linux 5.9

	maxCapability Capability = 63
)

// String returns the name, such as CAP_KILL, or "capability 63".
func (c Capability) String() string { return names.Capability(int(c)) }

// ParseCapability reads a name, in any case, with or without CAP_, or a number from
// 0 to 63. An error matches EINVAL.
func ParseCapability(s string) (Capability, error) {
	if n, ok := names.CapabilityNumber(s); ok {
		return Capability(n), nil
	}
	if n, err := strconv.Atoi(s); err == nil && n >= 0 && n <= int(maxCapability) {
		return Capability(n), nil
	}
	return 0, plan.Invalid("%q is not a capability", s)
}

// ParseCapabilities reads a list of names with commas between them, or "none". In
// the list "all" stands for the bounding set, which are the capabilities that this
// process and its children can have. After it "-NAME" removes one. The result has
// each capability once. If the list has "all" and the system does not tell the
// bounding set, the error is an [UnsupportedError].
func ParseCapabilities(s string) ([]Capability, error) {
	list := []Capability{}
	if s == "none" {
		return list, nil
	}
	all := false
	var lack error
	for item := range strings.SplitSeq(s, ",") {
		if item == "all" {
			var caps []Capability
			caps, lack = boundingCaps()
			list, all = append(list, caps...), true
			continue
		}
		name, without := strings.CutPrefix(item, "-")
		c, err := ParseCapability(name)
		switch {
		case err != nil:
			return nil, err
		case without && !all:
			return nil, plan.Invalid("%q without all", item)
		case without:
			list = slices.DeleteFunc(list, func(x Capability) bool { return x == c })
		default:
			list = append(list, c)
		}
	}
	if lack != nil {
		return nil, lack
	}
	return once(list), nil
}

// once leaves out what a list has already.
func once[T comparable](list []T) []T {
	seen := map[T]bool{}
	return slices.DeleteFunc(list, func(x T) bool {
		was := seen[x]
		seen[x] = true
		return was
	})
}

// boundingCaps are those of this thread's bounding set.
func boundingCaps() (list []Capability, err error) {
	set, err := boundingSet()
	if err != nil {
		return nil, &UnsupportedError{What: "the bounding set of capabilities", Since: "2.6.25", Err: err}
	}
	for c := range maxCapability + 1 {
		if set>>c&1 != 0 {
			list = append(list, c)
		}
	}
	return list, nil
}
