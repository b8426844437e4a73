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

// LandlockHandled is what a ruleset refuses unless a rule allows it. Kernels that
// know less of the structure take it as long as the rest is 0.
type LandlockHandled struct{ FS, Net, Scoped uint64 }

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

const (
	rulePath = 1 // LANDLOCK_RULE_PATH_BENEATH
	rulePort = 2 // LANDLOCK_RULE_NET_PORT
)

// LandlockAllowPath adds a rule for a file, or all that is beneath a directory.
func LandlockAllowPath(ruleset, parent int, access uint64) syscall.Errno {
	r := landlockPath{access: access, parent: int32(parent)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), rulePath, uintptr(unsafe.Pointer(&r)), 0, 0, 0)
	return errno
}

// LandlockAllowPort adds a rule for a TCP port.
func LandlockAllowPort(ruleset int, port uint16, access uint64) syscall.Errno {
	r := landlockPort{access, uint64(port)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), rulePort, uintptr(unsafe.Pointer(&r)), 0, 0, 0)
	return errno
}
