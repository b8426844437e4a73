package spawn

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

const stNoexec = 0x8 // ST_NOEXEC

// mayExecute asks the kernel whether this process may execute a file. It does not ask
// with AT_EXECVE_CHECK: meanwhile other threads of this process can't make threads, and a
// filter may kill for an execveat.
func mayExecute(path string, mode fs.FileMode) error {
	switch err := unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS); err {
	case nil:
	case unix.EACCES, unix.EPERM:
		return err
	default:
		return byMode(mode)
	}
	var st unix.Statfs_t
	if unix.Statfs(path, &st) == nil && st.Flags&stNoexec != 0 {
		return unix.EACCES
	}
	return nil
}
