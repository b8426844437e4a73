package raw

import (
	"strconv"
	"strings"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const atExecveCheck = 0x10000 // AT_EXECVE_CHECK

// ExecCheck asks the kernel whether the caller may execute a file, without executing it.
// Its interpreter is not looked at. The error is ENOSYS before Linux 6.14.
func ExecCheck(path string) syscall.Errno {
	if !hasExecCheck() {
		return unix.ENOSYS
	}
	name, err := syscall.BytePtrFromString(path)
	if err != nil {
		return unix.EINVAL
	}
	args := [2]*byte{name}
	env := [1]*byte{}
	at := unix.AT_FDCWD
	_, _, errno := unix.Syscall6(unix.SYS_EXECVEAT, uintptr(at), uintptr(unsafe.Pointer(name)),
		uintptr(unsafe.Pointer(&args)), uintptr(unsafe.Pointer(&env)), atExecveCheck, 0)
	return errno
}

// hasExecCheck goes by the version: something that calls itself Linux, and does not
// refuse flags that it does not know, would execute the file.
var hasExecCheck = sync.OnceValue(func() bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false
	}
	major, rest, _ := strings.Cut(unix.ByteSliceToString(u.Release[:]), ".")
	minor, _, _ := strings.Cut(rest, ".")
	x, _ := strconv.Atoi(major)
	y, _ := strconv.Atoi(strings.TrimRight(minor, "-+abcdefghijklmnopqrstuvwxyz"))
	return x > 6 || x == 6 && y >= 14
})
