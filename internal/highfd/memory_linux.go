package highfd

import "golang.org/x/sys/unix"

// NewMemory is the descriptor of a memory file that can be executed and sealed. Its errors
// are those of the system calls.
func NewMemory(name string) (int, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_EXEC)
	if err == unix.EINVAL { // before Linux 6.3
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return -1, err
	}
	return Raise(fd)
}

const memorySeals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE

// SealMemory keeps a memory file from changing. It fails where somebody has mapped the file
// to write to it.
func SealMemory(fd int) error {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, memorySeals)
	return err
}

// IsSealed reports whether a file is a memory file that nobody can write to any more.
func IsSealed(fd int) bool {
	seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	return err == nil && seals&memorySeals == memorySeals
}
