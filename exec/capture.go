package exec

import "sync"

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
	mu   sync.Mutex
	ends endsKeeper
}

// NewCapture makes a Capture. A negative size is 0.
func NewCapture(k Keep) *Capture {
	return &Capture{ends: endsKeeper{keep: Keep{max(k.Head, 0), max(k.Tail, 0)}}}
}

// Write never fails.
func (c *Capture) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ends.Write(p)
}

// Total is how many bytes were written.
func (c *Capture) Total() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ends.total
}

// Truncated is how many of the bytes were not kept. 0 means that all of the output is
// there.
func (c *Capture) Truncated() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ends.lost()
}

// Head returns the beginning of the output.
func (c *Capture) Head() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]byte(nil), c.ends.head...)
}

// Tail returns the end of the output, without what Head returns.
func (c *Capture) Tail() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ends.end(nil)
}

// Bytes returns what was kept, and between the beginning and the end a line that says how
// many bytes are missing, if any are.
func (c *Capture) Bytes() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ends.bytes()
}

// String is Bytes.
func (c *Capture) String() string { return string(c.Bytes()) }
