//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec

import (
	"io/fs"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
)

// nullDevice is the null device, opened when it is needed first. It stays open, as
// to open it takes longer than all else that is done for a stream.
type nullDevice struct {
	flag int

	mu   sync.Mutex
	file *os.File
	was  unix.Stat_t
	lost []*os.File // whose numbers have come to others, and must not be closed
}

var nullForReading, nullForWriting = nullDevice{flag: os.O_RDONLY}, nullDevice{flag: os.O_WRONLY}

// nullSource is the null device as a standard input.
func (*streams) nullSource() (*os.File, error) { return nullForReading.get() }

// nullSink is the null device as a standard output.
func (*streams) nullSink() (*os.File, error) { return nullForWriting.get() }

// get returns the null device.
func (d *nullDevice) get() (*os.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.file != nil && d.intact() {
		return d.file, nil
	}
	if d.file != nil {
		d.lost = append(d.lost, d.file)
		d.file = nil
	}
	fd, err := highfd.Open(os.DevNull, d.flag, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: os.DevNull, Err: err}
	}
	if err := unix.Fstat(fd, &d.was); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("fstat", err)
	}
	d.file = os.NewFile(uintptr(fd), os.DevNull)
	return d.file, nil
}

// intact reports whether the number still is the null device's: other code may have
// closed it, and opened something else. A look that fails for another reason says nothing.
func (d *nullDevice) intact() bool {
	var is unix.Stat_t
	if err := unix.Fstat(int(d.file.Fd()), &is); err != nil {
		return err != unix.EBADF
	}
	return is.Dev == d.was.Dev && is.Ino == d.was.Ino && is.Rdev == d.was.Rdev && is.Mode == d.was.Mode
}
