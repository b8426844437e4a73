//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !(arm64 || loong64 || riscv64)

package raw

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const sysPoll = unix.SYS_POLL

// tryPoll asks for the state of a descriptor. Package unix would use ppoll.
func tryPoll(p *unix.PollFd) syscall.Errno {
	_, _, errno := unix.Syscall(sysPoll, uintptr(unsafe.Pointer(p)), 1, 0)
	return errno
}
