package raw

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// IsSubreaper reports whether orphans among the descendants of this process become its
// children.
func IsSubreaper() (bool, error) {
	var is int32
	err := unix.Prctl(unix.PR_GET_CHILD_SUBREAPER, uintptr(unsafe.Pointer(&is)), 0, 0, 0)
	return is != 0, err
}

// ParentDeathSignal is the signal that this thread gets when its parent ends, or 0.
func ParentDeathSignal() (syscall.Signal, error) {
	var sig int32
	err := unix.Prctl(unix.PR_GET_PDEATHSIG, uintptr(unsafe.Pointer(&sig)), 0, 0, 0)
	return syscall.Signal(sig), err
}
