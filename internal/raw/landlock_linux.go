package raw

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// LandlockABI is the version of Landlock that the kernel has.
func LandlockABI() (int, syscall.Errno) {
	n, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	return int(n), errno
}

// LandlockHandled is what a ruleset refuses unless a rule allows it, and what of that
// quiet rules keep out of the log. Kernels that
// know less of the structure take it as long as the rest is 0.
type LandlockHandled struct{ FS, Net, Scoped, QuietFS, QuietNet, QuietScoped uint64 }

// Words is the structure as the kernel reads it.
func (h LandlockHandled) Words() []uint64 {
	return []uint64{h.FS, h.Net, h.Scoped, h.QuietFS, h.QuietNet, h.QuietScoped}
}

// LandlockCreate makes a ruleset, which is close-on-exec.
func LandlockCreate(h LandlockHandled) (fd int, errno syscall.Errno) {
	n, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&h)), unsafe.Sizeof(h), 0)
	return int(n), errno
}

// landlockPath is struct landlock_path_beneath_attr, which is packed: the kernel
// does not read the padding.
type landlockPath struct {
	access uint64
	parent int32
	_      int32
}

// landlockPort is struct landlock_net_port_attr.
type landlockPort struct{ access, port uint64 }

// Types of rules.
const (
	LandlockPathRule = 1 // LANDLOCK_RULE_PATH_BENEATH
	LandlockPortRule = 2 // LANDLOCK_RULE_NET_PORT
)

// LandlockAllowPath adds a rule for a file, or all that is beneath a directory.
func LandlockAllowPath(ruleset, parent int, access, flags uint64) syscall.Errno {
	r := landlockPath{access: access, parent: int32(parent)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), LandlockPathRule, uintptr(unsafe.Pointer(&r)), uintptr(flags), 0, 0)
	return errno
}

// LandlockAllowPort adds a rule for a TCP or UDP port.
func LandlockAllowPort(ruleset int, port uint16, access uint64) syscall.Errno {
	r := landlockPort{access, uint64(port)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), LandlockPortRule, uintptr(unsafe.Pointer(&r)), 0, 0, 0)
	return errno
}
