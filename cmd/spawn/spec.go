package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/lookup"
)

// spec says to the library what the options say.
func (o *options) spec() (*spawn.Spec, error) {
	if err := o.running.check(); err != nil {
		return nil, err
	}
	path, err := find(o.program[0])
	if err != nil {
		return nil, err
	}
	s := &spawn.Spec{Path: path, Args: o.program}
	if err := o.actions(&s.Actions); err != nil {
		return nil, err
	}
	if s.Attr, err = o.attributes(); err != nil {
		return nil, err
	}
	// It comes after --user, which has its own messages.
	if s.Env, err = o.environment(os.Environ()); err != nil {
		return nil, err
	}
	if o.verbose {
		s.Logger = logger()
	}
	return s, nil
}

// find is the file of a program, searched for in the PATH of this process as env(1)
// does it: also in the current directory if that is in it, and with what can't be
// run where there is nothing else.
func find(name string) (string, error) {
	if strings.ContainsRune(name, '/') {
		return name, nil
	}
	path, err := exec.LookPath(name)
	if runtime.GOOS == "windows" {
		if err != nil {
			return "", &lookupError{err}
		}
		return path, nil
	}
	if errors.Is(err, exec.ErrNotFound) && name != "" {
		for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
			file := filepath.Join(dir, name)
			if _, missing := os.Stat(file); missing == nil {
				path, err = file, nil
				break
			}
		}
	}
	if err != nil && !errors.Is(err, exec.ErrDot) {
		return "", &lookupError{err}
	}
	if !strings.ContainsRune(path, '/') {
		path = "./" + path
	}
	return path, nil
}

// lookupError is why a program was not found.
type lookupError struct{ err error }

func (e *lookupError) Error() string { return strings.TrimPrefix(e.err.Error(), "exec: ") }
func (e *lookupError) Unwrap() error { return e.err }

// environment is that of the program, made from the one given.
func (o *options) environment(env []string) ([]string, error) {
	if o.clearEnv {
		env = []string{}
	}
	if o.userEnv {
		list, err := lookup.Env(o.user)
		if err != nil {
			return nil, fmt.Errorf("--user-env: %w", err)
		}
		for _, text := range list {
			name, value, _ := strings.Cut(text, "=")
			env = setenv(env, variable{name, value})
		}
	}
	for _, v := range o.env {
		env = setenv(env, v)
	}
	return env, nil
}

func setenv(env []string, v variable) []string {
	env = slices.DeleteFunc(env, func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return name == v.name || runtime.GOOS == "windows" && strings.EqualFold(name, v.name)
	})
	return append(env, v.name+"="+v.value)
}

// actions opens the files first, in the directory that spawn was called in, unless
// attributes have changed the root directory or the mount namespace by then.
func (o *options) actions(a *spawn.FileActions) error {
	opens := o.redirections()
	if o.append && o.stdout == "" && (o.stderr == "" || o.stderrToStdout()) {
		return errors.New("--append: needs --stdout or --stderr")
	}
	users := map[int]bool{}
	for _, f := range opens {
		if users[f.fd] {
			return fmt.Errorf("descriptor %d is redirected twice", f.fd)
		}
		users[f.fd] = true
		a.Open(f.fd, f.path, f.flag, 0o666)
	}
	if o.stderrToStdout() {
		if users[2] {
			return fmt.Errorf("descriptor 2 is redirected twice")
		}
		users[2] = true
		a.Dup2(1, 2)
	}
	for _, fd := range o.keep {
		if users[fd] {
			return fmt.Errorf("descriptor %d is to be kept, and redirected", fd)
		}
		if err := checkInherited(fd); err != nil {
			return fmt.Errorf("--keep-fd %d: %w", fd, err)
		}
		a.Inherit(fd)
	}
	if o.chdir != "" {
		a.Chdir(o.chdir)
	}
	return nil
}

func (o *options) stderrToStdout() bool { return o.stderr == "stdout" }

// redirections are the files to be opened, in order.
func (o *options) redirections() []opening {
	mode := modes["w"]
	if o.append {
		mode = modes["a"]
	}
	var opens []opening
	if o.stdin != "" {
		opens = append(opens, opening{0, o.stdin, modes["r"]})
	}
	if o.stdout != "" {
		opens = append(opens, opening{1, o.stdout, mode})
	}
	if o.stderr != "" && !o.stderrToStdout() {
		opens = append(opens, opening{2, o.stderr, mode})
	}
	return append(opens, o.opens...)
}

// attributes are those of all groups. What they name is open until close.
func (o *options) attributes() (attr.List, error) {
	var all attr.List
	for _, group := range []func() (attr.List, error){
		o.processAttributes, o.schedAttributes, o.limitAttributes, o.treeAttributes, o.identityAttributes,
		o.sandboxAttributes, o.memoryAttributes, o.namespaceAttributes,
	} {
		list, err := group()
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, nil
}

// open opens a file for an attribute.
func (o *options) open(path string, flag int) (*os.File, error) {
	f, err := os.OpenFile(path, flag, 0)
	if err == nil {
		o.opened = append(o.opened, f)
	}
	return f, err
}

// close closes what attributes name, which is of no use once there is a child.
func (o *options) close() {
	for _, f := range o.opened {
		// It was not written to.
		_ = f.Close()
	}
	o.opened = nil
}

// logger writes all to standard error.
func logger() *zap.Logger {
	enc := zapcore.NewConsoleEncoder(zap.NewDevelopmentEncoderConfig())
	return zap.New(zapcore.NewCore(enc, zapcore.Lock(os.Stderr), zapcore.DebugLevel))
}
