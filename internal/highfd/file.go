package highfd

import (
	"os"
	"slices"
	"sync"
)

// WithNumber calls use with the descriptor of a file, which is not closed meanwhile.
// It does not make the file blocking, as Fd does. The error of a file that is closed
// is os.ErrClosed.
func WithNumber(f *os.File, use func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if conn.Control(func(fd uintptr) { inner = use(int(fd)) }) != nil {
		return os.ErrClosed // nothing else makes it fail
	}
	return inner
}

// Number is the descriptor that an open file has now.
func Number(f *os.File) (fd int, err error) {
	fd = -1
	err = WithNumber(f, func(n int) error {
		fd = n
		return nil
	})
	return fd, err
}

// NeverClose keeps a file whose number is somebody else's by now: to close it, as the
// collector would, would close what other code has opened by the number.
func NeverClose(f *os.File) {
	strayed.Lock()
	defer strayed.Unlock()
	if !slices.Contains(strayed.files, f) {
		strayed.files = append(strayed.files, f)
	}
}

var strayed struct {
	sync.Mutex
	files []*os.File
}
