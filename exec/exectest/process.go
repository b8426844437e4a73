package exectest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/raw"
)

// process is what stands for one.
type process struct {
	pid    int
	rule   *Rule
	delay  time.Duration // WaitDelay of the Cmd
	stdin  *source
	stdout *gate
	stderr *gate

	over   chan struct{} // closed when a signal ends it, or when it was not started
	mu     sync.Mutex
	ended  *end // by a signal
	exited bool // it has ended, and gets no more signals
	call   Call
}

func newProcess(c *exec.Cmd) *process {
	p := &process{pid: newPID(), delay: c.WaitDelay, stdin: newSource(c.Stdin), over: make(chan struct{})}
	p.call = Call{Args: slices.Clone(argv(c)), Dir: c.Dir, Env: slices.Clone(c.Env)}
	p.stdout = newGate(c.Stdout)
	if p.stderr = p.stdout; !same(c.Stdout, c.Stderr) {
		p.stderr = newGate(c.Stderr)
	}
	return p
}

// seen is the call so far.
func (p *process) seen() Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.call
	c.Signals = slices.Clone(c.Signals)
	return c
}

// Process is one that has ended.
func (p *process) Process() *os.Process { return raw.NoProcess(p.pid) }

// Signal does what a signal does by default, or what the rule says.
func (p *process) Signal(sig os.Signal) error {
	number, ok := sig.(syscall.Signal)
	if !ok {
		return fmt.Errorf("exectest: a signal of type %T: %w", sig, errors.ErrUnsupported)
	}
	if number != 0 && !isSignal(number) {
		return syscall.EINVAL // as of kill
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.exited {
		return os.ErrProcessDone
	}
	if number == 0 {
		return nil // nothing is sent
	}
	p.call.Signals = append(p.call.Signals, sig)
	e := byDefault(number)
	if f := p.rule.traps[sig]; f != nil && !untouchable(number) {
		e = f()
	}
	if e != nil && p.ended == nil {
		p.ended = e
		close(p.over)
	}
	return nil
}

// byDefault is how a signal ends a program. It is nil if it does not.
func byDefault(sig syscall.Signal) *end {
	if harmless(sig) {
		return nil
	}
	return &end{signal: sig}
}

var errNoReturn = errors.New("exectest: the function of Do has not returned")

// Wait does what the rule says.
func (p *process) Wait() (*os.ProcessState, error) {
	type result struct {
		end
		err error
	}
	done := make(chan result, 1)
	go func() {
		r := result{err: errNoReturn} // a test may end the goroutine of Do, by FailNow
		defer func() { done <- r }()
		r.end, r.err = p.work()
	}()
	var r result
	select {
	case r = <-done:
	case <-p.over:
	}
	p.mu.Lock()
	if p.exited = true; p.ended != nil {
		r = result{end: *p.ended}
	}
	p.mu.Unlock()
	quiet := p.shut()
	if r.err == nil && !quiet && r.end == (end{}) {
		r.err = exec.ErrWaitDelay
	}
	state, err := p.state(r.end)
	p.mu.Lock()
	p.call.State = state
	p.mu.Unlock()
	if err == nil {
		err = r.err
	}
	return state, err
}

// shut ends the reading and the writing, and reports whether that was possible before WaitDelay was over.
func (p *process) shut() bool {
	p.stdin.over.Store(true)
	p.stdout.over.Store(true)
	p.stderr.over.Store(true)
	done := make(chan struct{})
	go func() {
		p.stdin.await()
		p.stdout.await()
		p.stderr.await()
		close(done)
	}()
	if p.delay == 0 {
		<-done
		return true
	}
	t := time.NewTimer(p.delay)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
		return false
	}
}

func (p *process) state(e end) (*os.ProcessState, error) {
	if e.signal != 0 {
		return Signaled(p.pid, e.signal)
	}
	return Exited(p.pid, e.code)
}

// work is the program. An error is one of the writers of the test.
func (p *process) work() (end, error) {
	if p.rule.after > 0 {
		t := time.NewTimer(p.rule.after)
		defer t.Stop()
		select {
		case <-t.C:
		case <-p.over:
			return end{}, nil
		}
	}
	if p.rule.reads {
		in, err := io.ReadAll(p.stdin)
		p.mu.Lock()
		p.call.Stdin = in
		p.mu.Unlock()
		if err != nil {
			return end{}, err
		}
	}
	for _, c := range p.rule.output {
		to := p.stdout
		if c.fd == 2 {
			to = p.stderr
		}
		_, err := to.Write(c.data)
		if to.file && errors.Is(err, syscall.EPIPE) {
			return end{signal: sigPipe}, nil
		}
		if err != nil {
			return end{}, err
		}
	}
	e := end{code: p.rule.exit, signal: p.rule.signal}
	if p.rule.do != nil {
		e.code = p.rule.do(&Run{
			Args: p.call.Args, Env: p.call.Env, Dir: p.call.Dir, Done: p.over,
			Stdin: p.stdin, Stdout: p.stdout, Stderr: p.stderr,
		})
	}
	return e, nil
}
