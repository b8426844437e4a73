package exec

import (
	"os"

	"golang.org/x/sys/unix"
)

// pipeTo is a pipe whose reader is for the child.
func pipeTo() (r, w *os.File, err error) { return pipe(1) }

// pipeFrom is a pipe whose writer is for the child.
func pipeFrom() (r, w *os.File, err error) { return pipe(0) }

// pipe makes a pipe of which only this process's end doesn't block. os.Pipe makes
// both so, and to make the child's end block again costs more than the pipe.
func pipe(own int) (r, w *os.File, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	if err := unix.SetNonblock(p[own], true); err != nil {
		unix.Close(p[0])
		unix.Close(p[1])
		return nil, nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(p[0]), "|0"), os.NewFile(uintptr(p[1]), "|1"), nil
}
