package exec

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"syscall"
)

// PipeError is the error of a [Pipeline] whose programs did not all succeed.
//
// errors.Is and errors.As look at the error of the program at Index first, then at Why, and
// then at the errors of all other programs.
type PipeError struct {
	// Index is the program that failed, from 0. If several have failed, it is the last of
	// them, as with pipefail in a shell. It is -1 if no program has failed, and there is
	// another reason.
	Index int
	// Errs has one error for each program, in order, as Cmd.Wait or Cmd.Start returns it.
	// It is nil for a program that has succeeded, for one that SIGPIPE has ended if this
	// is no error, and for all others than the one that could not be started.
	Errs []error
	// Why is the reason why this package has ended the programs: the error of the context
	// and its cause, or one that matches ErrMaxOutput. It is nil if they have ended by
	// themselves.
	Why error

	name string
}

// Error returns the program, its error, and Why.
func (e *PipeError) Error() string {
	if e.Index < 0 {
		return fmt.Sprintf("exec: pipeline: %v", e.Why)
	}
	text := fmt.Sprintf("exec: command %d of %d in a pipeline, %s: %v", e.Index+1, len(e.Errs), e.name, e.Errs[e.Index])
	if e.Why != nil {
		text += ": " + e.Why.Error()
	}
	return text
}

// Unwrap returns the errors of the programs, and Why.
func (e *PipeError) Unwrap() []error {
	var all []error
	add := func(err error) {
		if err != nil {
			all = append(all, err)
		}
	}
	if e.Index >= 0 {
		add(e.Errs[e.Index])
	}
	add(e.Why)
	for i, err := range e.Errs {
		if i != e.Index {
			add(err)
		}
	}
	return all
}

// failed is the error of one program.
func (p *Pipeline) failed(i int, err error) error {
	errs := make([]error, len(p.Cmds))
	errs[i] = err
	return p.pipeError(i, errs, nil)
}

func (p *Pipeline) pipeError(i int, errs []error, why error) error {
	e := &PipeError{Index: i, Errs: errs, Why: why}
	if i >= 0 && p.Cmds[i] != nil {
		e.name = filepath.Base(p.Cmds[i].argv()[0])
	}
	return e
}

// result is the error of Wait.
func (p *Pipeline) result(errs []error, why error) error {
	last := len(errs) - 1
	for i := range errs[:last] {
		if !p.BrokenPipe && isBrokenPipe(errs[i]) {
			errs[i] = p.Cmds[i].copyError()
		}
	}
	failed := last
	for failed >= 0 && errs[failed] == nil {
		failed--
	}
	if why == nil && (failed < 0 || p.LastOnly && failed < last) {
		return nil
	}
	return p.pipeError(failed, errs, why)
}

// isBrokenPipe reports whether a program was ended by SIGPIPE.
func isBrokenPipe(err error) bool {
	exit, ok := err.(*ExitError)
	if !ok {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && endedBySIGPIPE(status)
}

// copyError is what has failed in the copying, which is over.
func (c *Cmd) copyError() error {
	if c.streams.group == nil {
		return nil
	}
	return c.streams.group.result()
}

// why is the reason why the programs were ended. It is nil if they ended by themselves.
func (p *Pipeline) why(errs []error) error {
	if p.cut.Load() {
		return fmt.Errorf("%w (%d)", ErrMaxOutput, p.MaxOutput)
	}
	ctx := p.ended()
	if ctx == nil {
		return nil
	}
	told := func(err error) bool { return errors.Is(err, ctx.Err()) }
	some := func(err error) bool { return err != nil }
	if slices.ContainsFunc(errs, told) || p.interrupted.Load() && (p.tree != nil || slices.ContainsFunc(errs, some)) {
		return contextError(ctx)
	}
	return nil
}
