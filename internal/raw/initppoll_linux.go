//go:build arm64 || loong64 || riscv64

package raw

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const sysPoll = unix.SYS_PPOLL

// tryPoll asks for the state of a descriptor.
func tryPoll(p *unix.PollFd) syscall.Errno {
	var now unix.Timespec
	_, _, errno := unix.Syscall6(sysPoll, uintptr(unsafe.Pointer(p)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
	return errno
}
