package exectest

import (
	"bytes"
	"io"
	"os"
	"sync"
	"sync/atomic"
)

// gate is a writer of the caller, as the program has it. Nothing is written by it after the
// end of the program.
type gate struct {
	to   io.Writer
	file bool // to is a file: many may write, and a Write may take until somebody reads
	over atomic.Bool
	mu   sync.Mutex // held in Write of a to that is no file
}

func newGate(to io.Writer) *gate {
	if to == nil {
		to = io.Discard
	}
	_, file := to.(*os.File)
	return &gate{to: to, file: file}
}

func (g *gate) Write(b []byte) (int, error) {
	if !g.file {
		g.mu.Lock()
		defer g.mu.Unlock()
	}
	if g.over.Load() {
		return 0, os.ErrClosed
	}
	return g.to.Write(b)
}

// await waits until a Write that began before over has returned.
func (g *gate) await() {
	g.mu.Lock()
	defer g.mu.Unlock()
}

// source is a reader of the caller, as the program has it. Nothing is read by it after the end of
// the program.
type source struct {
	from io.Reader
	file bool // from is a file: a Read may take until somebody writes
	over atomic.Bool
	mu   sync.Mutex // held in Read of a from that is no file
}

func newSource(from io.Reader) *source {
	if from == nil {
		from = bytes.NewReader(nil)
	}
	_, file := from.(*os.File)
	return &source{from: from, file: file}
}

func (s *source) Read(b []byte) (int, error) {
	if !s.file {
		s.mu.Lock()
		defer s.mu.Unlock()
	}
	if s.over.Load() {
		return 0, os.ErrClosed
	}
	return s.from.Read(b)
}

// await waits until a Read that began before over has returned.
func (s *source) await() {
	s.mu.Lock()
	defer s.mu.Unlock()
}
