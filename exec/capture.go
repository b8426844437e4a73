package exec

import (
	"strconv"
	"sync"
)

// Keep says how much of an output a [Capture] keeps, in bytes. The zero value keeps
// nothing.
type Keep struct {
	Head int // of the beginning
	Tail int // of the end
}

// Capture is a writer that keeps the beginning and the end of what is written to it, and
// counts the rest. Use one for Stdout, for Stderr, or for both. Its memory is bounded by
// its Keep, however much a program writes. You may call all methods at any time, from any
// goroutine. [NewCapture] makes a Capture.
type Capture struct {
	keep Keep

	mu    sync.Mutex
	head  []byte
	tail  []byte // a ring once it has keep.Tail bytes
	next  int    // where the ring goes on
	total int64
}

// NewCapture makes a Capture. A negative size is 0.
func NewCapture(k Keep) *Capture {
	return &Capture{keep: Keep{max(k.Head, 0), max(k.Tail, 0)}}
}

// Write never fails.
func (c *Capture) Write(p []byte) (int, error) {
	n := len(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total += int64(n)
	p = fill(&c.head, p, c.keep.Head)
	p = p[max(len(p)-c.keep.Tail, 0):]
	p = fill(&c.tail, p, c.keep.Tail)
	for len(p) > 0 {
		done := copy(c.tail[c.next:], p)
		p = p[done:]
		c.next = (c.next + done) % len(c.tail)
	}
	return n, nil
}

// Total is how many bytes were written.
func (c *Capture) Total() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total
}

// Truncated is how many of the bytes were not kept. 0 means that all of the output is
// there.
func (c *Capture) Truncated() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lost()
}

func (c *Capture) lost() int64 { return c.total - int64(len(c.head)) - int64(len(c.tail)) }

// Head returns the beginning of the output.
func (c *Capture) Head() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]byte(nil), c.head...)
}

// Tail returns the end of the output, without what Head returns.
func (c *Capture) Tail() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append(append([]byte(nil), c.tail[c.next:]...), c.tail[:c.next]...)
}

// Bytes returns what was kept, and between the beginning and the end a line that says how
// many bytes are missing, if any are.
func (c *Capture) Bytes() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := append([]byte(nil), c.head...)
	if lost := c.lost(); lost > 0 {
		all = append(all, "\n... omitting "...)
		all = strconv.AppendInt(all, lost, 10)
		all = append(all, " bytes ...\n"...)
	}
	return append(append(all, c.tail[c.next:]...), c.tail[:c.next]...)
}

// String is Bytes.
func (c *Capture) String() string { return string(c.Bytes()) }
