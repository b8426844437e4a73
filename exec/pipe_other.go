//go:build !linux

package exec

import "os"

// pipeTo is a pipe whose reader is for the child.
func pipeTo() (r, w *os.File, err error) { return os.Pipe() }

// pipeFrom is a pipe whose writer is for the child.
func pipeFrom() (r, w *os.File, err error) { return os.Pipe() }
