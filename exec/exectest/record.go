package exectest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/exec"
)

// Entry is a command in the file of a [Recorder].
type Entry struct {
	Args   []Text   `json:"args"`
	Dir    Text     `json:"dir,omitempty"`
	Output []Output `json:"output,omitempty"`
	Exit   int      `json:"exit,omitempty"`
	Signal int      `json:"signal,omitempty"` // that has ended it, with Exit -1; of the system that it was recorded on
	Failed *Failure `json:"failed,omitempty"` // the error of Start
}

// Output is what a program has written at once.
type Output struct {
	FD   int  `json:"fd"` // 1 or 2
	Text Text `json:"text"`
}

// Failure is the error of a start.
type Failure struct {
	NotFound bool   `json:"not_found,omitempty"` // an *exec.Error
	Op       string `json:"op,omitempty"`        // of an *fs.PathError
	Path     Text   `json:"path,omitempty"`
	Errno    int    `json:"errno,omitempty"` // of the system that it was recorded on
	Step     string `json:"step,omitempty"`  // of a *spawn.Error, as all that follows
	Part     int    `json:"part,omitempty"`
	Index    int    `json:"index,omitempty"`
	Object   Text   `json:"object,omitempty"`
	Hint     string `json:"hint,omitempty"`
	Text     string `json:"text"`
}

// Recorder is a runner that runs the real programs, and writes down what they do.
//
// It passes on their output as it comes. A program has pipes as its standard output and
// standard error, also where the Cmd has files. If both are one writer of the Cmd, all is
// recorded as standard output. A descendant that outlives a program may keep the pipes open.
// Wait then does what it does without a Recorder: where it would wait for no stream, it closes
// the pipes a second after the end of the program. Arguments and output are recorded as they are, with the
// secrets in them; the environment and the standard input are not.
type Recorder struct {
	file string
	// Edit, if not nil, may change each entry before it is written to the file, to take
	// out secrets and paths.
	Edit func(*Entry)

	mu      sync.Mutex
	entries []*recording
}

// Record returns a Recorder. Nothing is written to the file before [Recorder.Save].
func Record(file string) *Recorder { return &Recorder{file: file} }

// Context is exec.WithRunner(ctx, r).
func (r *Recorder) Context(ctx context.Context) context.Context { return exec.WithRunner(ctx, r) }

// Save writes the file, for [Replay]. All commands should have ended.
func (r *Recorder) Save() error {
	list := r.list()
	if r.Edit != nil {
		for i := range list {
			r.Edit(&list[i])
		}
	}
	text, err := json.MarshalIndent(list, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(r.file, append(text, '\n'), 0o666)
}

// list is a copy of the entries.
func (r *Recorder) list() []Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]Entry, len(r.entries))
	for i, rec := range r.entries {
		e := rec.entry
		e.Args, e.Output = slices.Clone(e.Args), outputOf(rec.output)
		if e.Failed != nil {
			failed := *e.Failed
			e.Failed = &failed
		}
		list[i] = e
	}
	return list
}

// recording is a program that runs.
type recording struct {
	r      *Recorder
	entry  Entry
	output []chunk
	cmd    *exec.Cmd
	copies bool          // Wait is to wait for the streams
	begun  chan struct{} // closed when the Cmd of the caller has begun
}

// Start is for package exec.
func (r *Recorder) Start(_ context.Context, c *exec.Cmd) (exec.Running, error) {
	rec := &recording{r: r, entry: Entry{Dir: Text(c.Dir)}, cmd: real(c), copies: copies(c), begun: make(chan struct{})}
	for _, a := range argv(c) {
		rec.entry.Args = append(rec.entry.Args, Text(a))
	}
	rec.cmd.Stdout = rec.tee(1, c.Stdout)
	if rec.cmd.Stderr = rec.cmd.Stdout; !same(c.Stdout, c.Stderr) || c.Stdout == nil {
		rec.cmd.Stderr = rec.tee(2, c.Stderr)
	}
	if !rec.copies && !isPipe(c.Stdout) && !isPipe(c.Stderr) {
		rec.cmd.WaitDelay = quietTime
	}
	r.mu.Lock()
	r.entries = append(r.entries, rec)
	r.mu.Unlock()
	if err := rec.cmd.Start(); err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		rec.entry.Failed = failureOf(err)
		return nil, err
	}
	return rec, nil
}

// real is a Cmd that makes a process.
func real(c *exec.Cmd) *exec.Cmd {
	r := exec.Command(c.Path)
	path, err := r.Path, r.Err
	from, to := reflect.ValueOf(c).Elem(), reflect.ValueOf(r).Elem()
	for i := range from.NumField() {
		if from.Type().Field(i).IsExported() {
			to.Field(i).Set(from.Field(i))
		}
	}
	r.Path, r.Err = path, err
	// The rest is what the Cmd of the caller does.
	r.Cancel, r.Stop = nil, nil
	r.Logger, r.Observer, r.Limiter, r.MaxOutput = nil, nil, nil, 0
	return r
}

// quietTime is how long others may have the pipes of a program that has ended, where the
// program would have files.
const quietTime = time.Second

// copies reports whether the Cmd, without a Recorder, has a stream that is copied.
func copies(c *exec.Cmd) bool {
	for _, stream := range []interface{}{c.Stdin, c.Stdout, c.Stderr} {
		if _, file := stream.(*os.File); !file && stream != nil {
			return true
		}
	}
	return false
}

// isPipe reports whether a writer is a pipe, such as that of StdoutPipe: its reader gets what
// the descendants write, too.
func isPipe(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&fs.ModeNamedPipe != 0
}

func same(a, b io.Writer) (equal bool) {
	defer func() { _ = recover() }()
	return a == b
}

// tee is a writer that records.
func (rec *recording) tee(fd int, to io.Writer) io.Writer { return &tee{rec, fd, to} }

type tee struct {
	rec *recording
	fd  int
	to  io.Writer
}

func (t *tee) Write(b []byte) (int, error) {
	t.rec.r.mu.Lock()
	t.rec.add(t.fd, b)
	t.rec.r.mu.Unlock()
	if t.to == nil {
		return len(b), nil
	}
	<-t.rec.begun // the writer may call methods of the Cmd
	return t.to.Write(b)
}

// add adds output. What follows on the same descriptor is joined.
func (rec *recording) add(fd int, b []byte) {
	n := len(rec.output)
	if n == 0 || rec.output[n-1].fd != fd {
		rec.output = append(rec.output, chunk{fd: fd})
		n++
	}
	last := &rec.output[n-1]
	last.data = append(last.data, b...)
}

// outputOf is output as the file has it.
func outputOf(list []chunk) (out []Output) {
	for _, c := range list {
		out = append(out, Output{c.fd, Text(c.data)})
	}
	return out
}

// Process is the real one.
func (rec *recording) Process() *os.Process { return rec.cmd.Process }

// Signal sends to the process. A tree can only be killed.
func (rec *recording) Signal(sig os.Signal) error {
	if sig == os.Kill {
		return rec.cmd.Kill()
	}
	return rec.cmd.Process.Signal(sig)
}

// Wait waits for the process.
func (rec *recording) Wait() (*os.ProcessState, error) {
	close(rec.begun)
	err := rec.cmd.Wait()
	state := rec.cmd.ProcessState
	if state != nil {
		rec.r.mu.Lock()
		rec.entry.Exit = state.ExitCode()
		if s, ok := state.Sys().(syscall.WaitStatus); ok && s.Signaled() {
			rec.entry.Signal = int(s.Signal())
		}
		rec.r.mu.Unlock()
	}
	if _, ok := err.(*exec.ExitError); ok {
		err = nil // package exec makes another
	}
	if err == exec.ErrWaitDelay && !rec.copies {
		err = nil
	}
	return state, err
}

// failureOf describes the error of a start.
func failureOf(err error) *Failure {
	f := &Failure{Text: err.Error(), NotFound: errors.Is(err, exec.ErrNotFound)}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		f.Op, f.Path = pe.Op, Text(pe.Path)
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		f.Errno = int(errno)
	}
	var step *spawn.Error
	if errors.As(err, &step) {
		f.Step, f.Part, f.Index, f.Object, f.Hint = step.Step, int(step.Part), step.Index, Text(step.Object), step.Hint
	}
	return f
}

// error makes the error again.
func (f *Failure) error(c *exec.Cmd) error {
	var cause error = syscall.Errno(f.Errno)
	if f.Errno == 0 {
		cause = errors.New(f.Text)
	}
	switch {
	case f.NotFound:
		return &exec.Error{Name: c.Path, Err: exec.ErrNotFound}
	case f.Step != "":
		return &spawn.Error{Path: string(f.Path), Part: spawn.Part(f.Part), Step: f.Step, Index: f.Index, Object: string(f.Object), Err: cause, Hint: f.Hint}
	case f.Op != "":
		return &fs.PathError{Op: f.Op, Path: string(f.Path), Err: cause}
	}
	return cause
}

// Replay returns a runner that does what a [Recorder] has written to a file: each entry is a
// rule about a command with its arguments, and is used once, in the order of the file. No time
// passes.
func Replay(file string) (*Fake, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var list []Entry
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, &fs.PathError{Op: "parse", Path: file, Err: err}
	}
	f := Script()
	for _, e := range list {
		if err := e.check(); err != nil {
			return nil, &fs.PathError{Op: "parse", Path: file, Err: err}
		}
		f.rules = append(f.rules, e.rule())
	}
	return f, nil
}

// check finds what no Recorder writes.
func (e *Entry) check() error {
	if len(e.Args) == 0 {
		return errors.New("an entry without arguments")
	}
	for _, o := range e.Output {
		if o.FD != 1 && o.FD != 2 {
			return fmt.Errorf("output to descriptor %d", o.FD)
		}
	}
	return nil
}

// rule is what Replay makes of an entry.
func (e *Entry) rule() *Rule {
	args := make([]string, len(e.Args))
	for i, a := range e.Args {
		args[i] = string(a)
	}
	r := On(args[0], args[1:]...).Times(1).Exit(e.Exit)
	if e.Signal != 0 {
		r.Exit(0).Signal(syscall.Signal(e.Signal))
	}
	for _, o := range e.Output {
		r.output = append(r.output, chunk{o.FD, []byte(o.Text)})
	}
	if e.Failed != nil {
		r.fail = e.Failed.error
	}
	return r
}
