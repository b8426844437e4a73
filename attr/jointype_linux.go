package attr

import (
	"os"

	"golang.org/x/sys/unix"
)

// typeOfNamespace is the CLONE_NEW* of a file of /proc/PID/ns. It is 0 if the file is
// another one, and before Linux 4.11.
func typeOfNamespace(f *os.File) (kind uint) {
	conn, err := f.SyscallConn()
	if err != nil {
		return 0
	}
	_ = conn.Control(func(fd uintptr) { // of a closed file nothing is known
		if n, err := unix.IoctlRetInt(int(fd), unix.NS_GET_NSTYPE); err == nil {
			kind = uint(n)
		}
	})
	return kind & allNamespaces
}
