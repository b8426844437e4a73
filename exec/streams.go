package exec

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
)

// streams is what connects the process with this one.
type streams struct {
	child  []io.Closer // ends for the child, closed once it has them
	parent []io.Closer // ends for this process
	jobs   []copyJob   // not begun yet
	inline bool        // jobs may be left to Wait, as Run calls it at once
	left   []copyJob   // those
	group  *copyGroup  // jobs that were begun; nil if there were none

	buffers []*bufferedPipe // of BufferPipes
}

// copyJob copies what the parent's end of a pipe carries.
type copyJob struct {
	pipe *pipeEnd
	in   io.Reader // to the pipe; nil if out is set
	out  io.Writer // from the pipe
}

// run does the job. The pipe is parked.
func (j *copyJob) run() error {
	file := j.pipe.park()
	if j.in != nil {
		return feed(file, j.in)
	}
	_, err := io.Copy(j.out, file)
	if isCut(err) {
		err = j.pipe.rest(j.out)
	}
	file.Close() // Copy may have stopped because of the writer
	if err == errPipeLeft {
		err = nil
	}
	endPipe(j.out)
	return err
}

// isCut reports whether an error is that cut has ended the reading.
func isCut(err error) bool {
	pe, ok := err.(*fs.PathError)
	return ok && pe.Op == "read" && errors.Is(err, os.ErrDeadlineExceeded)
}

// feed copies to the child. That the child doesn't read all of it is no error.
func feed(pipe *os.File, in io.Reader) error {
	_, err := io.Copy(pipe, in)
	if unread(pipe, err) {
		err = nil
	}
	if cerr := pipe.Close(); err == nil {
		err = cerr
	}
	return err
}

// unread reports whether err is that nobody reads from the pipe.
func unread(pipe *os.File, err error) bool {
	pe, ok := err.(*fs.PathError)
	return ok && pe.Op == "write" && pe.Path == pipe.Name() && brokenPipe(pe.Err)
}

// quick reports whether the job does nothing of the user's, so that it makes no
// difference which goroutine does it.
func (j *copyJob) quick() bool {
	switch j.out.(type) {
	case *collector, *endsKeeper, *bytes.Buffer, *strings.Builder:
		return true
	}
	return false
}

// copyGroup is the copying for one Cmd.
type copyGroup struct {
	mu   sync.Mutex
	left int
	outs int           // how many of these copy from the program
	err  error         // the first
	done chan struct{} // closed when none is left
}

// run does a job. Jobs that don't count may outlast done.
func (g *copyGroup) run(j *copyJob, counts bool) { g.end(j, j.run(), counts) }

// end notes what came of a job.
func (g *copyGroup) end(j *copyJob, err error, counts bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if j.out != nil {
		g.outs--
	}
	if g.err == nil {
		g.err = err
	}
	if counts {
		g.leave()
	}
}

// start begins a job. Its pipe is parked before anybody else may close it.
func (g *copyGroup) start(j copyJob, counts bool) {
	j.pipe.park()
	go g.run(&j, counts)
}

// copies reports whether anything is still copied from the program.
func (g *copyGroup) copies() bool {
	if g == nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.outs > 0
}

func (g *copyGroup) leave() {
	if g.left--; g.left == 0 {
		close(g.done)
	}
}

// result is the first error. It is to be called when done is closed.
func (g *copyGroup) result() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}

// begin starts the copying. With Tree input is not waited for: the reader may be
// blocked for good.
func (s *streams) begin(tree bool) {
	counts := func(j *copyJob) bool { return !tree || j.in == nil }
	g := &copyGroup{done: make(chan struct{})}
	for i := range s.jobs {
		if counts(&s.jobs[i]) {
			g.left++
		}
		if s.jobs[i].out != nil {
			g.outs++
		}
	}
	if g.left == 0 {
		close(g.done)
	}
	s.group = g
	for _, j := range s.jobs {
		if s.inline && j.quick() {
			s.left = append(s.left, j)
			continue
		}
		if j.in != nil {
			if all, err := j.feedNow(); all {
				g.end(&j, err, counts(&j))
				continue
			}
		}
		s.group.start(j, counts(&j))
	}
	s.jobs = nil
}

// finishLeft does what begin has left. It takes as long as anybody has a pipe,
// unless the process is to be watched meanwhile.
func (s *streams) finishLeft(watched bool) {
	if len(s.left) == 0 {
		return
	}
	s.drain()
	for i, j := range s.left {
		if watched || i < len(s.left)-1 {
			s.group.start(j, true)
		} else {
			s.group.run(&j, true)
		}
	}
	s.left = nil
}

// copied is closed when there is nothing to be copied any more.
func (s *streams) copied() <-chan struct{} {
	if s.group == nil {
		return closed
	}
	return s.group.done
}

var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// closeAll closes, and forgets, a list of descriptors. Some may be closed
// already.
func closeAll(list *[]io.Closer) {
	for _, c := range *list {
		c.Close()
	}
	*list = nil
}

// stdio makes the child's standard streams.
func (c *Cmd) stdio() (files [3]*os.File, err error) {
	if c.PTY != nil {
		return c.onPTY()
	}
	if files[0], err = c.source(); err != nil {
		return files, err
	}
	if files[1], err = c.sink(c.Stdout); err != nil {
		return files, err
	}
	if same(c.Stderr, c.Stdout) { // as where both are nil
		files[2] = files[1]
		return files, nil
	}
	files[2], err = c.sink(c.Stderr)
	return files, err
}

func (c *Cmd) source() (*os.File, error) {
	switch in := c.Stdin.(type) {
	case nil:
		return c.streams.nullSource()
	case *os.File:
		return in, nil
	}
	r, w, err := pipeTo()
	if err != nil {
		return nil, err
	}
	c.keep(r, w)
	c.streams.jobs = append(c.streams.jobs, copyJob{pipe: w, in: c.Stdin})
	return r, nil
}

func (c *Cmd) sink(out io.Writer) (*os.File, error) {
	switch out := out.(type) {
	case nil:
		return c.streams.nullSink()
	case *os.File:
		return out, nil
	}
	r, w, err := pipeFrom()
	if err != nil {
		return nil, err
	}
	c.keep(w, r)
	c.streams.jobs = append(c.streams.jobs, copyJob{pipe: r, out: c.limited(out)})
	return w, nil
}

// keep notes the two ends of a pipe, to be closed.
func (c *Cmd) keep(child, parent io.Closer) {
	c.streams.child = append(c.streams.child, child)
	c.streams.parent = append(c.streams.parent, parent)
}

// same reports whether two writers are equal. Values that can't be compared are
// different.
func same(a, b io.Writer) (equal bool) {
	defer func() { _ = recover() }()
	return a == b
}

// StdinPipe returns a pipe to the program's standard input. Call it before Start.
// Wait closes the pipe. If the program reads to the end of its input, close the
// pipe earlier.
func (c *Cmd) StdinPipe() (io.WriteCloser, error) {
	if c.Stdin != nil {
		return nil, errors.New("exec: Stdin already set")
	}
	p, err := c.userPipe("StdinPipe", 0)
	if err != nil {
		return nil, err
	}
	c.Stdin = p[0]
	c.keep(p[0], p[1])
	return p[1], nil
}

// StdoutPipe returns a pipe from the program's standard output. Call it before
// Start. Wait closes the pipe, so read everything before you call Wait. For the
// same reason do not use StdoutPipe with Run. If BufferPipes was set before, you may call
// Wait and Run at any time: nothing is lost.
func (c *Cmd) StdoutPipe() (io.ReadCloser, error) {
	return c.outputPipe(&c.Stdout, "Stdout")
}

// StderrPipe is like [Cmd.StdoutPipe], for the standard error.
func (c *Cmd) StderrPipe() (io.ReadCloser, error) {
	return c.outputPipe(&c.Stderr, "Stderr")
}

func (c *Cmd) outputPipe(out *io.Writer, name string) (io.ReadCloser, error) {
	if *out != nil {
		return nil, errors.New("exec: " + name + " already set")
	}
	if c.BufferPipes && c.Process == nil {
		return c.bufferPipe(out), nil
	}
	p, err := c.userPipe(name+"Pipe", 1)
	if err != nil {
		return nil, err
	}
	*out = p[1]
	c.keep(p[1], p[0])
	return p[0], nil
}

// userPipe is one of package os, whose Fd makes it blocking when the caller hands
// it to another program.
func (c *Cmd) userPipe(method string, child int) (p [2]*os.File, err error) {
	if c.Process != nil {
		return p, errors.New("exec: " + method + " after process started")
	}
	return userPipe(child)
}
