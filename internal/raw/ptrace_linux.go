//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

package raw

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const ptraceSetSigmask = 0x420b // Linux 3.11

// TraceStop is the signal at which a child stands still that the calling thread
// traces, whoever has waited for the stop. The error is ESRCH where it does not.
func TraceStop(pid int) (syscall.Signal, syscall.Errno) {
	var info siginfo
	e := ptrace(unix.PTRACE_GETSIGINFO, pid, 0, uintptr(unsafe.Pointer(&info)))
	return syscall.Signal(info.signo), e
}

// TraceMask gives a child that stands still a signal mask.
func TraceMask(pid int, mask uint64) syscall.Errno {
	return ptrace(ptraceSetSigmask, pid, sigsetSize, uintptr(unsafe.Pointer(&mask)))
}

// TraceEnd lets go of a child that stands still, and delivers it a signal.
func TraceEnd(pid int, sig syscall.Signal) syscall.Errno {
	return ptrace(unix.PTRACE_DETACH, pid, 0, uintptr(sig))
}

//go:uintptrescapes
func ptrace(request, pid int, address, data uintptr) syscall.Errno {
	_, _, e := syscall.RawSyscall6(unix.SYS_PTRACE, uintptr(request), uintptr(pid), address, data, 0, 0)
	return e
}
