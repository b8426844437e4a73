package exec

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"
)

// Stream is the stream of a program that a [Line] is from.
type Stream int

// The streams have the numbers of their descriptors.
const (
	Stdout Stream = 1
	Stderr Stream = 2
)

// String returns "stdout" or "stderr".
func (s Stream) String() string {
	if s == Stderr {
		return "stderr"
	}
	return "stdout"
}

// maxLine is the most bytes of a Line.
const maxLine = 64 << 10

// Line is a line that a program has written.
type Line struct {
	Stream Stream
	// Text is the line without its end, which is a newline or a carriage return and a
	// newline.
	Text string
	// Time is when this process has read the end of the line.
	Time time.Time
	// Cut says that the line is longer than 64 KiB, and that its next part is the next
	// Line of the same stream. No part is lost.
	Cut bool
}

// Lines starts the program and returns its lines, of the standard output and the standard
// error, as they come. Stdout must be nil. If Stderr is not nil, the lines of the standard
// error go there instead. The order of lines from different streams is the one in which this process has
// read them.
//
//	for line, err := range cmd.Lines() {
//		if err != nil {
//			return err
//		}
//		fmt.Println(line.Stream, line.Text)
//	}
//
// The last pair has an error if the program could not be started, or if [Cmd.Wait] returns
// an error, and then its Line is empty. If you leave the loop early, the program is
// killed as by [Cmd.Kill] and waited for before the loop is left. A program that writes faster than the loop
// reads has to wait, and so does Wait, up to WaitDelay.
func (c *Cmd) Lines() iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		if c.Stdout != nil {
			yield(Line{}, errors.New("exec: Stdout already set"))
			return
		}
		l := &lineReader{lines: make(chan Line), quit: make(chan struct{})}
		out := &lineWriter{reader: l, stream: Stdout}
		all := []*lineWriter{out}
		if c.Stdout = out; c.Stderr == nil {
			all = append(all, &lineWriter{reader: l, stream: Stderr})
			c.Stderr = all[1]
		}
		if err := c.startThen(func() { l.pipes = slices.Clone(c.streams.parent) }); err != nil { // Wait forgets them
			yield(Line{}, err)
			return
		}
		if !l.read(c, yield) {
			return
		}
		for _, w := range all {
			if rest, ok := w.rest(); ok && !yield(rest, nil) {
				return
			}
		}
		if err := c.Wait(); err != nil {
			yield(Line{}, err)
		}
	}
}

// lineReader hands lines from those who copy to the loop.
type lineReader struct {
	lines chan Line
	quit  chan struct{} // closed when nobody reads lines any more
	pipes []io.Closer
}

// read calls yield for all lines, and reports whether it has always returned true. The
// program has ended when it returns.
func (l *lineReader) read(c *Cmd, yield func(Line, error) bool) bool {
	whole := false
	defer func() { // yield may panic
		if whole {
			close(l.quit)
			return
		}
		_ = c.Kill() // it may have ended; before quit, which would break its pipe
		close(l.quit)
		cutAll(l.pipes)
		c.awaitProcess()
	}()
	done := c.Done()
	for {
		select {
		case line := <-l.lines:
			if !yield(line, nil) {
				return false
			}
		case <-done:
			whole = true
			return true
		}
	}
}

// awaitProcess waits for the process, and not for a Stdin that does not return.
func (c *Cmd) awaitProcess() {
	done := c.Done()
	select {
	case <-done:
		return
	case <-c.waits.gone():
	}
	var late <-chan time.Time
	if c.tree == nil { // else Stdin is not waited for
		late = time.After(drainTime)
	}
	select {
	case <-done:
	case <-late:
	}
}

// cutAll ends the copying from pipes, whoever else has them.
func cutAll(pipes []io.Closer) {
	for _, p := range pipes {
		if end, ok := p.(*pipeEnd); !ok || !end.cut() {
			p.Close()
		}
	}
}

// lineWriter makes lines of what is copied to it.
type lineWriter struct {
	reader *lineReader
	stream Stream

	mu   sync.Mutex
	text []byte // of a line whose end has not come
}

// errNoReader ends the copying when the loop was left.
var errNoReader = errors.New("exec: the loop over Lines has ended")

func (w *lineWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		line, whole := w.take(&p)
		if !whole {
			break
		}
		select {
		case w.reader.lines <- line:
		case <-w.reader.quit:
			return n - len(p), errNoReader
		}
	}
	return n, nil
}

// take takes from p what belongs to the next line, and returns the line if it is whole, or
// must be cut.
func (w *lineWriter) take(p *[]byte) (line Line, whole bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	end := bytes.IndexByte(*p, '\n')
	n := end
	if whole = end >= 0; !whole {
		n = len(*p)
	}
	cut := len(w.text)+n > maxLine
	if cut {
		n, whole = maxLine-len(w.text), true
	}
	w.text = append(w.text, (*p)[:n]...)
	*p = (*p)[n:]
	if !whole {
		return line, false
	}
	if !cut {
		*p = (*p)[1:]
	}
	line = Line{Stream: w.stream, Text: string(w.text), Time: time.Now(), Cut: cut}
	if !cut {
		line.Text = strings.TrimSuffix(line.Text, "\r")
	}
	w.text = w.text[:0]
	return line, true
}

// rest is a last line that has no end.
func (w *lineWriter) rest() (line Line, some bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	line = Line{Stream: w.stream, Text: string(w.text), Time: time.Now()}
	return line, len(w.text) > 0
}
