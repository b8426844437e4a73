//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec

import (
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
)

// pipeEnd is this process's end of a pipe: at first a descriptor that doesn't
// block, then a file.
type pipeEnd struct {
	fd    int // -1 once it is closed, or file's
	reads bool
	file  *os.File
}

// pipeTo is a pipe whose reader is for the child.
func pipeTo() (r *os.File, w *pipeEnd, err error) {
	p, err := pipe(1)
	if err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(p[0]), "|0"), &pipeEnd{fd: p[1]}, nil
}

// pipeFrom is a pipe whose writer is for the child.
func pipeFrom() (r *pipeEnd, w *os.File, err error) {
	p, err := pipe(0)
	if err != nil {
		return nil, nil, err
	}
	return &pipeEnd{fd: p[0], reads: true}, os.NewFile(uintptr(p[1]), "|1"), nil
}

// pipe makes a pipe of which only this process's end doesn't block. os.Pipe makes
// both so, and to make the child's end block again costs more than the pipe.
func pipe(own int) (p [2]int, err error) {
	if p, err = highfd.Pipe(0); err != nil {
		return p, os.NewSyscallError("pipe2", err)
	}
	// It has no other flags that F_SETFL would change.
	if _, err := unix.FcntlInt(uintptr(p[own]), unix.F_SETFL, unix.O_NONBLOCK); err != nil {
		unix.Close(p[0])
		unix.Close(p[1])
		return p, os.NewSyscallError("fcntl", err)
	}
	return p, nil
}

// childPipe is a pipe from a child to a child. It blocks, as most programs want it.
func childPipe() (r, w *os.File, err error) {
	p, err := highfd.Pipe(0)
	if err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	return os.NewFile(uintptr(p[0]), "|0"), os.NewFile(uintptr(p[1]), "|1"), nil
}

// userPipe is os.Pipe with descriptors from highfd.Least up. The end for the child, 0 or 1,
// blocks.
func userPipe(child int) (p [2]*os.File, err error) {
	if p[0], p[1], err = os.Pipe(); err != nil {
		return p, err
	}
	if low := isLow(p[0]) || isLow(p[1]); !low {
		if err = highfd.Block(p[child]); err == nil {
			return p, nil
		}
	}
	// Others can't have their numbers as long as they are open.
	defer p[0].Close()
	defer p[1].Close()
	if err != nil {
		return [2]*os.File{}, err
	}
	return userPipe(child)
}

func isLow(f *os.File) bool {
	fd, err := highfd.Number(f)
	return err == nil && fd < highfd.Least
}

// park makes a file of p, which lets a goroutine wait for it in the poller, or
// where the poller can't have it in a thread.
func (p *pipeEnd) park() *os.File {
	if p.fd < 0 {
		return p.file
	}
	name := "|1"
	if p.reads {
		name = "|0"
	}
	p.file = highfd.NewFile(p.fd, name)
	p.fd = -1
	return p.file
}

// cut lets a reader that is parked find the end after what is in the pipe by now.
// It returns false where that can't be.
func (p *pipeEnd) cut() bool {
	return p.reads && p.file != nil && p.file.SetReadDeadline(time.Unix(1, 0)) == nil
}

// rest copies what is in a pipe that was cut.
func (p *pipeEnd) rest(out io.Writer) error {
	conn, err := p.file.SyscallConn()
	if err != nil {
		return nil // it is closed
	}
	left := 0
	// Others may go on writing for ever.
	_ = conn.Control(func(fd uintptr) { left, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
	buf := make([]byte, min(left, 32<<10))
	for left > 0 {
		n := 0
		_ = conn.Control(func(fd uintptr) { n, _ = (&pipeEnd{fd: int(fd)}).Read(buf[:min(left, len(buf))]) })
		if n <= 0 {
			return nil
		}
		left -= n
		if _, err := out.Write(buf[:n]); err != nil {
			return err
		}
	}
	return nil
}

// Close closes p once.
func (p *pipeEnd) Close() error {
	if p.file != nil {
		return p.file.Close()
	}
	fd := p.fd
	if p.fd = -1; fd < 0 {
		return os.ErrClosed
	}
	return os.NewSyscallError("close", unix.Close(fd))
}

// errNothingYet is what Read returns of a pipe that is empty.
var errNothingYet = errors.New("exec: nothing to read yet")

// Read reads what there is. It must not be called after park.
func (p *pipeEnd) Read(b []byte) (int, error) {
	for {
		n, err := unix.Read(p.fd, b)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return 0, errNothingYet
		case err != nil:
			return 0, os.NewSyscallError("read", err)
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}
