//go:build !linux || android || !(amd64 || arm64) || spawn_forkexec

package exec

import "os"

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

func (p *pipeEnd) park() *os.File { return p.File }

// drain does nothing: what was left is done as if it were not a short program.
func (s *streams) drain() {}
