//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

package raw

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sigaction is the kernel's struct sigaction.
type sigaction struct {
	handler, flags uintptr
	restorer       restorer
	mask           uint64
}

const (
	sigIgn = 1

	// goFlags are what the runtime sets with each action, one that ignores
	// included. With goMask C code does so for a handler at most.
	goFlags = 0x4 | 0x8000000 | 0x10000000                                           // SA_SIGINFO, SA_ONSTACK, SA_RESTART
	goMask  = 1<<31 - 1 - (1 << (unix.SIGKILL - 1)) - (1 << (int(unix.SIGSTOP) - 1)) // and signals beyond
)

// SignalIgnored reports whether a signal is ignored in this process, and whether
// it is Go's runtime that has it so.
func SignalIgnored(sig int) (ignored, byGo bool) {
	var act sigaction
	_, _, e := syscall.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), 0, uintptr(unsafe.Pointer(&act)), 8, 0, 0)
	ignored = e == 0 && act.handler == sigIgn
	return ignored, ignored && act.flags&goFlags == goFlags && act.mask&goMask == goMask
}
