package raw

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ResetSignal gives a signal its default action. The Go runtime, which has handlers for
// most, does not know of it: the process is to end.
func ResetSignal(sig syscall.Signal) syscall.Errno {
	var none [8]uint64 // no struct sigaction of the kernel is larger
	const sizeofSigset = 8
	_, _, e := syscall.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&none)), 0, sizeofSigset, 0, 0)
	return e
}
