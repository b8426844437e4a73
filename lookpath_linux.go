package spawn

import (
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/raw"
)

// mayExecute asks the kernel whether this process may execute a file. Somebody may
// have it open for writing, but not for long.
func mayExecute(path string, mode fs.FileMode) error {
	switch errno := raw.ExecCheck(path); errno {
	case 0, unix.ETXTBSY:
		return nil
	case unix.EACCES, unix.EPERM:
		return errno
	}
	if err := byMode(mode); err != nil {
		return err
	}
	if unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS) == unix.EACCES {
		return unix.EACCES
	}
	return nil
}
