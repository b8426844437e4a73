package exectest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/safespawn/spawn/exec"
)

// ErrUnexpected is the error of Cmd.Start for a command that no rule is about.
var ErrUnexpected = errors.New("exectest: unexpected command")

// Fake is a runner that answers by rules. [Script] and [Replay] make one. Its methods may be
// called from several goroutines at once.
type Fake struct {
	rules []*Rule

	mu   sync.Mutex // of what follows, and of used of the rules
	runs []*process
	tb   testing.TB // of Strict
}

// Script returns a runner that answers each command by the first rule that is about it. A rule
// with Times is used up after that many commands. A command that no rule is about does not
// start: the error matches [ErrUnexpected].
func Script(rules ...*Rule) *Fake { return &Fake{rules: rules} }

// Strict makes a command that no rule is about fail the test, however the code under test deals
// with the error. At the end of the test a rule that was not used, or less than Times says,
// fails it, too. Strict returns f.
func (f *Fake) Strict(tb testing.TB) *Fake {
	f.mu.Lock()
	f.tb = tb
	f.mu.Unlock()
	tb.Cleanup(func() {
		for i, r := range f.rules {
			f.mu.Lock()
			used := r.used
			f.mu.Unlock()
			if want := max(r.times, 1); used < want {
				tb.Errorf("rule %d, %s, was used %d times, want %d", i, r.about, used, want)
			}
		}
	})
	return f
}

// Context is exec.WithRunner(ctx, f).
func (f *Fake) Context(ctx context.Context) context.Context { return exec.WithRunner(ctx, f) }

// Start is for package exec.
func (f *Fake) Start(ctx context.Context, c *exec.Cmd) (exec.Running, error) {
	p := newProcess(c)
	f.mu.Lock()
	f.runs = append(f.runs, p)
	tb := f.tb
	f.mu.Unlock()
	var err error
	if p.rule = f.rule(c); p.rule == nil {
		err = fmt.Errorf("%w: %s", ErrUnexpected, line(c.Args))
		if tb != nil {
			tb.Errorf("%v", err)
		}
	} else if p.rule.fail != nil {
		err = p.rule.fail(c)
	}
	if err != nil {
		p.mu.Lock()
		p.call.Err = err
		p.mu.Unlock()
		close(p.over)
		return nil, err
	}
	return p, nil
}

// rule is the first that is about a command. No lock is held in match, which may call methods
// of f, and run commands.
func (f *Fake) rule(c *exec.Cmd) *Rule {
	for _, r := range f.rules {
		if f.has(r, 0) && r.match(c) && f.has(r, 1) {
			return r
		}
	}
	return nil
}

// has uses a rule n times, if it is not used up.
func (f *Fake) has(r *Rule, n int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.times > 0 && r.used >= r.times {
		return false
	}
	r.used += n
	return true
}

// Call is a command that was started, or was to be.
type Call struct {
	Args []string
	Dir  string
	Env  []string // as in the Cmd: nil for that of this process
	// Stdin is what the program has read, if its rule has ReadStdin.
	Stdin []byte
	// Signals are those that it was sent.
	Signals []os.Signal
	// Err is the error of Start. State is how it has ended; nil until then.
	Err   error
	State *os.ProcessState
}

// Calls returns the commands so far, in the order of their starts.
func (f *Fake) Calls() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]Call, len(f.runs))
	for i, p := range f.runs {
		list[i] = p.seen()
	}
	return list
}

// AssertRan fails the test if the arguments of the commands so far, with the names of the
// programs, are not those wanted, in this order.
func (f *Fake) AssertRan(tb testing.TB, want ...[]string) {
	tb.Helper()
	var got [][]string
	for _, c := range f.Calls() {
		got = append(got, c.Args)
	}
	if !slices.EqualFunc(got, want, slices.Equal) {
		tb.Errorf("ran\n%swant\n%s", lines(got), lines(want))
	}
}

func lines(list [][]string) string {
	var s strings.Builder
	for _, args := range list {
		s.WriteString("\t" + line(args) + "\n")
	}
	return s.String()
}

// line is a command for people to read.
func line(args []string) string { return fmt.Sprintf("%q", args) }
