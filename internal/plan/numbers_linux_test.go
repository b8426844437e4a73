//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

package plan

import "golang.org/x/sys/unix"

// The numbers are those of package unix, on each architecture: go vet finds others.
func _() {
	var x [1]struct{}
	_ = x[oWronly-unix.O_WRONLY]
	_ = x[oCloexec-unix.O_CLOEXEC]
	_ = x[oPath-unix.O_PATH]
	_ = x[msRec-unix.MS_REC]
	_ = x[msPrivate-unix.MS_PRIVATE]
	_ = x[ePERM-int(unix.EPERM)]
	_ = x[eINVAL-int(unix.EINVAL)]
	_ = x[eNOSYS-int(unix.ENOSYS)]
	_ = x[AtFdcwd-unix.AT_FDCWD]
}
