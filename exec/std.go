package exec

import (
	"context"
	"errors"
	"fmt"
	"io"
	osexec "os/exec"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/safespawn/spawn/internal/raw"
)

// FromStd returns a Cmd that runs the program of a Cmd of os/exec, for code that gets
// one from somebody else. It carries all fields, the context of os/exec's CommandContext
// included. Start the Cmd, and not std. A Cancel of your own finds the process in
// std.Process. If the context is one of [WithRunner], its Runner runs the Cmd.
//
// If std was started, or has pipes from StdinPipe, StdoutPipe or StderrPipe, it can't be
// carried. Err then says so, and Start returns it. If a later Go has a field that is not known
// here, and it is set, Err names it and matches [errors.ErrUnsupported].
func FromStd(std *osexec.Cmd) *Cmd {
	c := &Cmd{
		Path: std.Path, Args: std.Args, Env: std.Env, Dir: std.Dir,
		Stdin: std.Stdin, Stdout: std.Stdout, Stderr: std.Stderr, ExtraFiles: std.ExtraFiles,
		SysProcAttr: std.SysProcAttr, Err: std.Err, WaitDelay: std.WaitDelay,
	}
	c.watchLeak()
	ctx, err := contextOfStd(std)
	if err != nil {
		c.Err = err // and not that of LookPath, which may be ErrDot and then be set to nil
	}
	if c.ctx = ctx; ctx != nil {
		c.fake = fakeOf(ctx)
	}
	switch cancel := std.Cancel; {
	case cancel == nil:
	case cancelsByDefault(cancel):
		c.Cancel = c.Kill
	default:
		c.Cancel = func() error {
			std.Process = c.Process
			return cancel()
		}
	}
	return c
}

// stdFields are the fields of os/exec's Cmd that FromStd carries or does not need.
var stdFields = []string{
	"Path", "Args", "Env", "Dir", "Stdin", "Stdout", "Stderr", "ExtraFiles", "SysProcAttr", "Err", "Cancel", "WaitDelay", "ctx",
	"Process", "ProcessState", "childIOFiles", "parentIOPipes", "goroutine", "goroutineErr", "ctxResult", "startCalled", // of one that has begun
	"createdByStack", "lookPathErr", "cachedLookExtensions",
}

// contextOfStd is the context of a Cmd of os/exec, or why it can't be carried.
func contextOfStd(std *osexec.Cmd) (context.Context, error) {
	v := reflect.ValueOf(std).Elem()
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; !slices.Contains(stdFields, name) && !v.Field(i).IsZero() {
			return nil, unknownOfStd(name)
		}
	}
	ctx, known := raw.Field[context.Context](std, "ctx")
	if !known {
		return nil, unknownOfStd("ctx")
	}
	pipes, known := raw.Field[[]io.Closer](std, "parentIOPipes")
	switch {
	case !known:
		return nil, unknownOfStd("parentIOPipes")
	case std.Process != nil:
		return nil, errors.New("exec: the Cmd of os/exec was started")
	case len(pipes) > 0:
		return nil, errors.New("exec: the Cmd of os/exec has pipes: call StdinPipe, StdoutPipe and StderrPipe of the Cmd from FromStd")
	}
	return ctx, nil
}

func unknownOfStd(field string) error {
	return fmt.Errorf("exec: field %s of os/exec's Cmd in %s: %w", field, runtime.Version(), errors.ErrUnsupported)
}

// Std returns a Cmd of os/exec that runs the same program, for code that wants one. Start
// it, and not c: os/exec makes the process. The context is carried. Cancel finds the process
// in c.Process.
//
// What os/exec has not can't be carried: Err then names the fields that are set and
// matches [errors.ErrUnsupported], and Start of os/exec returns it. So does a Cmd that was
// started, or has pipes or a Runner. InheritAll and NoReap are os/exec's way, with or without
// them: the program also gets the descriptors of this process that are not close-on-exec.
func (c *Cmd) Std() *osexec.Cmd {
	std := &osexec.Cmd{}
	if c.ctx != nil {
		std = osexec.CommandContext(c.ctx, c.Path)
	}
	std.Path, std.Args, std.Env, std.Dir = c.Path, c.Args, c.Env, c.Dir
	std.Stdin, std.Stdout, std.Stderr, std.ExtraFiles = c.Stdin, c.Stdout, c.Stderr, c.ExtraFiles
	std.SysProcAttr, std.WaitDelay = c.SysProcAttr, c.WaitDelay
	if std.Err = c.notStd(); std.Err == nil {
		std.Err = c.Err
	}
	std.Cancel = nil
	if cancel := c.Cancel; cancel != nil {
		std.Cancel = func() error {
			c.Process = std.Process
			return cancel()
		}
	}
	return std
}

// notStd is why os/exec can't run c.
func (c *Cmd) notStd() error {
	switch {
	case atomic.LoadInt32(&c.started) != 0:
		return errors.New("exec: already started")
	case len(c.streams.parent) > 0 || len(c.streams.buffers) > 0 || c.terminal != nil:
		return errors.New("exec: the Cmd has pipes: call StdinPipe, StdoutPipe and StderrPipe of the Cmd from Std")
	}
	var set []string
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"Stop", c.Stop != nil},
		{"Actions", c.Actions.Len() > 0},
		{"Attr", len(c.Attr) > 0},
		{"Logger", c.Logger != nil},
		{"Observer", c.Observer != nil},
		{"Limiter", c.Limiter != nil},
		{"Tree", c.Tree},
		{"TreeStrict", c.TreeStrict},
		{"MaxOutput", c.MaxOutput != 0},
		{"ListenFDs", len(c.ListenFDs) > 0},
		{"DirFile", c.DirFile != nil},
		{"BufferPipes", c.BufferPipes},
		{"PTY", c.PTY != nil},
		{"ContextError", c.ContextError},
		{"WithRunner", c.fake != nil},
	} {
		if f.set {
			set = append(set, f.name)
		}
	}
	if set == nil {
		return nil
	}
	return fmt.Errorf("exec: os/exec has no %s: %w", strings.Join(set, ", "), errors.ErrUnsupported)
}

// cancelsByDefault reports whether a Cancel is the one that os/exec's CommandContext sets.
func cancelsByDefault(cancel func() error) bool {
	return strings.HasPrefix(runtime.FuncForPC(reflect.ValueOf(cancel).Pointer()).Name(), "os/exec.CommandContext.")
}
