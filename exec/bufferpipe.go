package exec

import (
	"errors"
	"io"
	"sync"
)

// pipeRoom is how much a bufferedPipe holds as long as nobody is in Wait: as much as a
// pipe of the kernel.
const pipeRoom = 64 << 10

// bufferedPipe is a pipe from the program with BufferPipes: the copying from the kernel's
// pipe is the writer, and the caller reads. Wait waits for the copying, and the caller
// reads what there is whenever he likes.
type bufferedPipe struct {
	mu    sync.Mutex
	moved sync.Cond
	data  []byte
	ended bool // there is no more to come
	left  bool // nobody reads any more
	wide  bool // there is room for all
}

func newBufferedPipe() *bufferedPipe {
	p := &bufferedPipe{}
	p.moved.L = &p.mu
	return p
}

// errPipeLeft ends the copying to a pipe that the caller has closed, and is no error of
// Wait.
var errPipeLeft = errors.New("exec: the reader of the pipe has closed it")

// Write is for the copying.
func (p *bufferedPipe) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.wide && !p.left && len(p.data) >= pipeRoom {
		p.moved.Wait()
	}
	if p.left {
		return 0, errPipeLeft
	}
	p.data = append(p.data, b...)
	p.moved.Broadcast()
	return len(b), nil
}

// set changes what a flag says.
func (p *bufferedPipe) set(flag *bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*flag = true
	p.moved.Broadcast()
}

// bufferReader is the caller's end.
type bufferReader struct{ pipe *bufferedPipe }

func (r bufferReader) Read(b []byte) (int, error) {
	p := r.pipe
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(b) > 0 && len(p.data) == 0 && !p.ended && !p.left {
		p.moved.Wait()
	}
	switch {
	case p.left:
		return 0, io.ErrClosedPipe
	case len(p.data) == 0 && p.ended:
		return 0, io.EOF
	}
	n := copy(b, p.data)
	if p.data = p.data[n:]; len(p.data) == 0 {
		p.data = nil
	}
	p.moved.Broadcast()
	return n, nil
}

// Close lets go of the pipe. The program gets SIGPIPE if it goes on writing.
func (r bufferReader) Close() error {
	r.pipe.set(&r.pipe.left)
	return nil
}

// bufferEnd ends a bufferedPipe when all of the program is closed.
type bufferEnd struct{ pipe *bufferedPipe }

func (e bufferEnd) Close() error {
	e.pipe.set(&e.pipe.ended)
	return nil
}

// endPipe tells the reader of a bufferedPipe that nothing more comes.
func endPipe(out io.Writer) {
	if w, ok := out.(*limitedWriter); ok {
		out = w.out
	}
	if p, ok := out.(*bufferedPipe); ok {
		p.set(&p.ended)
	}
}

// bufferPipe is outputPipe with BufferPipes.
func (c *Cmd) bufferPipe(out *io.Writer) io.ReadCloser {
	p := newBufferedPipe()
	*out = p
	c.streams.buffers = append(c.streams.buffers, p)
	c.streams.parent = append(c.streams.parent, bufferEnd{p})
	return bufferReader{p}
}

// widen lets the program write on, however little the caller reads.
func (s *streams) widen() {
	for _, p := range s.buffers {
		p.set(&p.wide)
	}
}
