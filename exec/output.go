package exec

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync/atomic"
)

// keptOfStderr is how much Output keeps of each end of the standard error.
const keptOfStderr = 32 << 10

// Output runs the program and returns its standard output. Stdout must be nil. If
// Stderr is nil, ExitError.Stderr has the first and the last 32 KiB of the standard
// error. The errors are those of [Cmd.Run].
func (c *Cmd) Output() ([]byte, error) {
	if c.Stdout != nil {
		return nil, errors.New("exec: Stdout already set")
	}
	out := c.collector()
	c.Stdout = out
	var ends *endsKeeper
	if c.Stderr == nil {
		ends = newEndsKeeper()
		c.Stderr = ends
	}
	err := c.Run()
	var exit *ExitError
	if ends != nil && errors.As(err, &exit) {
		exit.Stderr = ends.bytes()
	}
	return out.bytes(), err
}

// CombinedOutput runs the program and returns its standard output and its standard
// error together. Stdout and Stderr must be nil. The errors are those of [Cmd.Run].
func (c *Cmd) CombinedOutput() ([]byte, error) {
	if c.Stdout != nil {
		return nil, errors.New("exec: Stdout already set")
	}
	if c.Stderr != nil {
		return nil, errors.New("exec: Stderr already set")
	}
	out := c.collector()
	c.Stdout, c.Stderr = out, out
	err := c.Run()
	return out.bytes(), err
}

// collector is a buffer for as much as is wanted. It is one slice, and from leastChunk on a
// list of chunks, as to grow one large slice would copy what there is again and again.
type collector struct {
	full [][]byte // chunks before the last; none below leastChunk
	last []byte
	size int // of all
	max  int // 0 for all
	over func()
}

const (
	leastFree = 512
	// Chunks are as large as all before them together, within these bounds.
	leastChunk = 64 << 10
	mostChunk  = 1 << 20
)

func (c *Cmd) collector() *collector {
	return &collector{max: c.MaxOutput, over: c.tooMuch}
}

// bytes is all that was added.
func (b *collector) bytes() []byte {
	if b.full == nil {
		return b.last
	}
	return slices.Concat(append(b.full, b.last)...)
}

// free is where more is added: at least a byte.
func (b *collector) free() []byte {
	switch {
	case len(b.last) < cap(b.last):
	case b.size < leastChunk:
		b.last = slices.Grow(b.last, leastFree)
	default:
		b.full = append(b.full, b.last)
		b.last = make([]byte, 0, min(b.size, mostChunk))
	}
	return b.last[len(b.last):cap(b.last)]
}

// add says how much of free was filled.
func (b *collector) add(n int) {
	b.last = b.last[:len(b.last)+n]
	b.size += n
}

// room is how much may be added, but not more than n.
func (b *collector) room(n int) int {
	if b.max <= 0 {
		return n
	}
	return min(n, b.max-b.size)
}

// exceeded is called when there is more than may be added.
func (b *collector) exceeded() error {
	b.over()
	return fmt.Errorf("%w (%d)", ErrMaxOutput, b.max)
}

func (b *collector) Write(p []byte) (int, error) {
	n := b.room(len(p))
	for rest := p[:n]; len(rest) > 0; {
		k := copy(b.free(), rest)
		b.add(k)
		rest = rest[k:]
	}
	if n < len(p) {
		return n, b.exceeded()
	}
	return n, nil
}

// ReadFrom reads until the end, or until there is more than may be added.
func (b *collector) ReadFrom(r io.Reader) (total int64, err error) {
	for {
		free := b.free()
		// One byte more than is wanted tells whether there is more.
		if n := b.room(len(free)); n < len(free) {
			free = free[:n+1]
		}
		n, err := r.Read(free)
		keep := b.room(n)
		b.add(keep)
		total += int64(keep)
		switch {
		case keep < n:
			return total, b.exceeded()
		case err == io.EOF:
			return total, nil
		case err != nil:
			return total, err
		}
	}
}

// endsKeeper keeps the beginning and the end of what is written to it.
type endsKeeper struct {
	keep  Keep
	head  []byte
	tail  []byte // a ring once it has keep.Tail bytes
	next  int    // where the ring goes on
	total int64
}

func newEndsKeeper() *endsKeeper { return &endsKeeper{keep: Keep{keptOfStderr, keptOfStderr}} }

func (k *endsKeeper) Write(p []byte) (int, error) {
	n := len(p)
	k.total += int64(n)
	p = fill(&k.head, p, k.keep.Head)
	p = p[max(len(p)-k.keep.Tail, 0):]
	p = fill(&k.tail, p, k.keep.Tail)
	for len(p) > 0 {
		done := copy(k.tail[k.next:], p)
		p = p[done:]
		k.next = (k.next + done) % len(k.tail)
	}
	return n, nil
}

// ReadFrom reads until the end with a buffer that is as small as what most
// programs write.
func (k *endsKeeper) ReadFrom(r io.Reader) (total int64, err error) {
	buf := make([]byte, 512)
	for {
		n, err := r.Read(buf)
		_, _ = k.Write(buf[:n]) // never fails
		total += int64(n)
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		if n == len(buf) && n < k.keep.Tail {
			buf = make([]byte, min(4*n, k.keep.Tail))
		}
	}
}

// fill appends to dst what it has room for, up to size bytes, and returns the
// rest.
func fill(dst *[]byte, p []byte, size int) []byte {
	n := min(len(p), size-len(*dst))
	*dst = append(*dst, p[:n]...)
	return p[n:]
}

// lost is how many bytes were between the two.
func (k *endsKeeper) lost() int64 { return k.total - int64(len(k.head)) - int64(len(k.tail)) }

// end appends the end to b.
func (k *endsKeeper) end(b []byte) []byte {
	return append(append(b, k.tail[k.next:]...), k.tail[:k.next]...)
}

// bytes is what was kept, with a note on what was not.
func (k *endsKeeper) bytes() []byte {
	all := append([]byte(nil), k.head...)
	if lost := k.lost(); lost > 0 {
		all = append(all, "\n... omitting "...)
		all = strconv.AppendInt(all, lost, 10)
		all = append(all, " bytes ...\n"...)
	}
	return k.end(all)
}

// tooMuch ends a program that has written more than MaxOutput.
func (c *Cmd) tooMuch() {
	atomic.StoreInt32(&c.cut, 1)
	_ = c.Kill() // it may have ended
}

// limited is a writer that gets no more than MaxOutput bytes. Those of Output have their
// own bound.
func (c *Cmd) limited(out io.Writer) io.Writer {
	switch out.(type) {
	case *collector, *endsKeeper:
		return out
	}
	if c.MaxOutput <= 0 {
		return out
	}
	return &limitedWriter{out, c.MaxOutput, c}
}

// limitedWriter is a writer with a bound.
type limitedWriter struct {
	out  io.Writer
	left int
	cmd  *Cmd
}

func (w *limitedWriter) Write(p []byte) (int, error) {
	keep := min(len(p), w.left)
	n, err := w.out.Write(p[:keep])
	if w.left -= keep; err == nil && keep < len(p) {
		w.cmd.tooMuch()
		err = fmt.Errorf("%w (%d)", ErrMaxOutput, w.cmd.MaxOutput)
	}
	return n, err
}
