//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package faults_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/raw/rawtest"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// The helper asks the test by calls of prctl with these options, and a number.
const (
	askNext   = 0x5350_0001 + iota // position<<16 | errno of the next experiment; 0 for no fault, less for the end
	askBegin                       // the calls count from here
	askEnd                         // to here: 0, or what kind of fault there was
	askResult                      // outcome, and a text for one that is a finding
	askReady                       // the case can be tried; else the text says why not
	askHere                        // the calls of this process count, and nobody else's, or not any more
)

// Kinds of faults, which askEnd tells.
const (
	noFault = iota
	refusal
	theft // the error says that a descriptor is somebody else's, whose number is let alone then
)

// leftBehind begins the text about something that is not as it was.
const leftBehind = "left behind"

// What has come of an experiment.
const (
	succeeded = iota
	failedClearly
	found
	flawed // a finding that ends the helper, too
)

var _ = testenv.RegisterHelper("faults", func(args []string) int {
	return testenv.Status(live(args[0], args[1]))
})

// live repeats a case as often as the test says, in a directory.
func live(name, dir string) error {
	if err := os.Chdir(dir); err != nil {
		return err
	}
	listener, err := listen()
	if err != nil {
		return err
	}
	_ = unix.Close(listener) // the test has it
	l, err := newLife(name)
	if err != nil {
		_, err = rawtest.Ask(askReady, 0, err.Error())
		return err
	}
	if _, err := rawtest.Ask(askReady, 0, ""); err != nil {
		return err
	}
	for {
		next, err := rawtest.Ask(askNext, 0, "")
		if err != nil || next == over {
			return err
		}
		outcome, why := l.try(syscall.Errno(next & 0xffff))
		if _, err := rawtest.Ask(askResult, outcome, why); err != nil || outcome == flawed {
			return err
		}
	}
}

// over is the answer to askNext at the end.
const over = 1 << 30

// life is a case, and the state that it must leave.
type life struct {
	run        func() error
	before     testenv.Portrait
	goroutines goroutines
	plain      *spawn.Program
}

func newLife(name string) (*life, error) {
	unlimit()
	plain, err := spawn.Compile(&spawn.Spec{Path: "./program"})
	if err != nil {
		return nil, err
	}
	l := &life{plain: plain}
	engine, name, _ := strings.Cut(name, ": ")
	spawntest.Force(engine)
	scene := scenes[name]
	if l.run, err = scene(); err != nil {
		return nil, err
	}
	for range 3 { // what is made once, threads and slots included
		var w wrong // which the first experiment finds
		if err := l.run(); err != nil && !errors.As(err, &w) {
			return nil, fmt.Errorf("without a fault: %w", err)
		}
	}
	testenv.IdleThreads()
	l.before = testenv.SettledWhole()
	l.goroutines = countGoroutines()
	return l, nil
}

// unlimit forbids core files, which a killed child may make.
func unlimit() { _ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) }

// try runs the case once, and looks at what it has left.
func (l *life) try(errno syscall.Errno) (outcome int, why string) {
	if _, err := rawtest.Ask(askBegin, 0, ""); err != nil {
		return flawed, err.Error()
	}
	err := l.run()
	kind, aerr := rawtest.Ask(askEnd, 0, "")
	if aerr != nil {
		return flawed, aerr.Error()
	}
	if left := l.left(kind == theft); left != nil {
		return flawed, fmt.Sprintf("%s: %v (the result was %v)", leftBehind, left, err)
	}
	var w wrong
	switch {
	case err == nil:
		return succeeded, ""
	case errors.As(err, &w):
		return found, err.Error()
	case kind == noFault:
		return found, "an error without a fault: " + err.Error()
	case kind != theft && !clear(err, errno):
		return found, fmt.Sprintf("an unclear error: %v (%#v)", err, err)
	}
	return failedClearly, ""
}

// looks is how often one waits for the rest to go away: the machine may be busy.
const looks = 5

// left says what is not as before, or does not work any more.
func (l *life) left(theft bool) error {
	state, err := l.plain.Run(context.Background())
	if err != nil || state.ExitCode() != 7 {
		return fmt.Errorf("the next start: %v, %w", state, err)
	}
	if theft {
		l.before.Spare("descriptor ")
		l.goroutines = max(l.goroutines, countGoroutines())
	}
	for range looks {
		if err = l.before.Since(); err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	if l.goroutines.came() {
		return fmt.Errorf("goroutines: %s", stacks())
	}
	return nil
}

// stacks are those of all goroutines.
func stacks() []byte {
	text := make([]byte, 1<<17)
	return text[:runtime.Stack(text, true)]
}

// goroutines is how many there were, but for those that stay by design.
type goroutines int

func countGoroutines() goroutines {
	n := 0
	for text := range strings.SplitSeq(string(stacks()), "\n\n") {
		if !strings.Contains(text, "internal/lasting.(*threads).serve") {
			n++
		}
	}
	return goroutines(n)
}

// came reports whether there are more, and go on to be there.
func (g goroutines) came() bool {
	for range looks * 400 {
		if countGoroutines() <= g {
			return false
		}
		time.Sleep(5 * time.Millisecond)
	}
	return true
}

// wrong is a result that no fault excuses.
type wrong struct{ what string }

func (w wrong) Error() string { return "wrong: " + w.what }

func wrongf(format string, args ...any) error { return wrong{fmt.Sprintf(format, args...)} }

// clear reports whether an error says what has happened: by its type, or by the errno of
// the fault. A Cmd whose output can't be read says, as with os/exec, how the program has
// ended, which found no reader any more.
func clear(err error, errno syscall.Errno) bool {
	var e *spawn.Error
	var exit *exec.ExitError
	return errors.Is(err, toldClearly{}) || errors.As(err, &e) && e.Step != "" || errors.Is(err, errno) ||
		errors.Is(err, spawn.ErrStatusTaken) || errors.Is(err, spawn.ErrStatusUnknown) ||
		errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == unix.SIGPIPE
}
