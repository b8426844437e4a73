// Package rawtest makes system calls with pointers that only tests need.
package rawtest

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/raw"
)

// AddFilter gives the calling thread one seccomp filter more; it needs no_new_privs
// or privilege.
func AddFilter(f []unix.SockFilter) error {
	prog := unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0)
}

// IgnoreSignal ignores a signal as C code does, of which package os/signal knows
// nothing.
func IgnoreSignal(sig syscall.Signal) error {
	act := [4]uint64{1} // SIG_IGN
	return asError(unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&act)), 0, 8, 0, 0))
}

// SetGroups sets the groups of the calling thread alone.
func SetGroups(groups ...uint32) error {
	return asError(unix.RawSyscall(uintptr(raw.Setgroups.Number()), uintptr(len(groups)), uintptr(unsafe.Pointer(unsafe.SliceData(groups))), 0))
}

func asError(_, _ uintptr, errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

// AddFilterToAll is AddFilter for all threads of the process.
func AddFilterToAll(f []unix.SockFilter) error {
	_, err := addToAll(f, 0)
	return err
}

func addToAll(f []unix.SockFilter, flags uintptr) (result int, err error) {
	prog := unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
	n, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC|flags, uintptr(unsafe.Pointer(&prog)))
	return int(n), asError(0, 0, errno)
}
