//go:build !linux || android || !(386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) || spawn_forkexec

package exec

import (
	"io"
	"os"
)

// pipeEnd is this process's end of a pipe.
type pipeEnd struct{ *os.File }

// pipeTo is a pipe whose reader is for the child.
func pipeTo() (r *os.File, w *pipeEnd, err error) {
	r, own, err := os.Pipe()
	return r, &pipeEnd{own}, err
}

// pipeFrom is a pipe whose writer is for the child.
func pipeFrom() (r *pipeEnd, w *os.File, err error) {
	own, w, err := os.Pipe()
	return &pipeEnd{own}, w, err
}

// childPipe is a pipe from a child to a child.
func childPipe() (r, w *os.File, err error) { return os.Pipe() }

// userPipe is os.Pipe. The end for the child blocks once it is passed.
func userPipe(int) (p [2]*os.File, err error) {
	p[0], p[1], err = os.Pipe()
	return p, err
}

func (p *pipeEnd) park() *os.File { return p.File }

// cut does nothing: the pipe is closed with what is in it, as by os/exec.
func (p *pipeEnd) cut() bool { return false }

// rest is not called.
func (p *pipeEnd) rest(io.Writer) error { return nil }
