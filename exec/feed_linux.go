//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec

import (
	"bytes"
	"io"
	"strings"

	"golang.org/x/sys/unix"
)

// feedNow writes to the pipe what is in memory, as far as the pipe has room for it, and
// reports whether that was all. No goroutine is needed then.
func (j *copyJob) feedNow() (all bool, err error) {
	var in interface {
		io.WriterTo
		Len() int
	}
	switch r := j.in.(type) {
	case *bytes.Reader:
		in = r
	case *bytes.Buffer:
		in = r
	case *strings.Reader:
		in = r
	default:
		return false, nil
	}
	_, err = in.WriteTo(j.pipe)
	switch {
	case in.Len() == 0 && err == nil, err == unix.EPIPE:
		return true, j.pipe.Close()
	case err == unix.EAGAIN:
		return false, nil
	}
	return false, nil // whoever copies the rest finds out
}

// Write writes what there is room for. It must not be called after park.
func (p *pipeEnd) Write(b []byte) (total int, err error) {
	for total < len(b) {
		n, err := unix.Write(p.fd, b[total:])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return total, err
		default:
			total += n
		}
	}
	return total, nil
}
