//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

package attr

import "golang.org/x/sys/unix"

// The numbers are those of package unix, on each architecture: go vet finds others. Those that
// differ from one architecture to another, as O_DIRECTORY, must not be written down.
func _() {
	var x [1]struct{}
	_ = x[pathOnly-unix.O_PATH]
	_ = x[cloexec-unix.O_CLOEXEC]
	_ = x[regularFile-unix.S_IFREG]
	_ = x[sticky-unix.S_ISVTX]
	_ = x[openTreeClone-unix.OPEN_TREE_CLONE]
	_ = x[atEmptyPath-unix.AT_EMPTY_PATH]
	_ = x[atRecursive-unix.AT_RECURSIVE]
	_ = x[moveFromEmpty-unix.MOVE_MOUNT_F_EMPTY_PATH]
	_ = x[moveToLinks-unix.MOVE_MOUNT_T_SYMLINKS]
	_ = x[msReadOnly-unix.MS_RDONLY]
	_ = x[msNoSuid-unix.MS_NOSUID]
	_ = x[msNoDev-unix.MS_NODEV]
	_ = x[msReadOnly-unix.MOUNT_ATTR_RDONLY]
	_ = x[msNoSuid-unix.MOUNT_ATTR_NOSUID]
	_ = x[msNoDev-unix.MOUNT_ATTR_NODEV]
	_ = x[msBind-unix.MS_BIND]
	_ = x[msRec-unix.MS_REC]
	_ = x[mntDetach-unix.MNT_DETACH]
	_ = x[errnoAccess-int(unix.EACCES)]
	_ = x[errnoExists-int(unix.EEXIST)]
	_ = x[errnoNotDir-int(unix.ENOTDIR)]
	_ = x[sigSetmask-unix.SIG_SETMASK]
	_ = x[afInet-unix.AF_INET]
	_ = x[sockDgram-unix.SOCK_DGRAM]
	_ = x[sockCloexec-unix.SOCK_CLOEXEC]
	_ = x[siocsifflags-unix.SIOCSIFFLAGS]
	_ = x[iffUp-unix.IFF_UP]
}
