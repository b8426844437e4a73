package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
)

// spec says to the library what the options say.
func (o *options) spec() (*spawn.Spec, error) {
	path, err := find(o.program[0])
	if err != nil {
		return nil, err
	}
	s := &spawn.Spec{Path: path, Args: o.program, Env: o.environment(os.Environ())}
	if err := o.actions(&s.Actions); err != nil {
		return nil, err
	}
	if s.Attr, err = o.attributes(); err != nil {
		return nil, err
	}
	if o.verbose {
		s.Logger = logger()
	}
	return s, nil
}

// find is the file of a program, searched for in the PATH of this process.
func find(name string) (string, error) {
	if strings.ContainsRune(name, '/') {
		return name, nil
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", &lookupError{err}
	}
	return path, nil
}

// lookupError is why a program was not found.
type lookupError struct{ err error }

func (e *lookupError) Error() string { return strings.TrimPrefix(e.err.Error(), "exec: ") }
func (e *lookupError) Unwrap() error { return e.err }

// environment is that of the program, made from the one given.
func (o *options) environment(env []string) []string {
	if o.clearEnv {
		env = []string{}
	}
	for _, v := range o.env {
		env = slices.DeleteFunc(env, func(e string) bool {
			name, _, _ := strings.Cut(e, "=")
			return name == v.name || runtime.GOOS == "windows" && strings.EqualFold(name, v.name)
		})
		env = append(env, v.name+"="+v.value)
	}
	return env
}

// actions opens the files first, in the directory that spawn was called in.
func (o *options) actions(a *spawn.FileActions) error {
	opens := o.redirections()
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

func (o *options) attributes() (attr.List, error) {
	// What the caller ignores stays ignored, so that nohup(1) works.
	list := attr.List{attr.SigDefault{}}
	if o.umask != nil {
		list = append(list, attr.Umask(*o.umask))
	}
	if o.nice != nil {
		list = append(list, attr.Nice(*o.nice))
	}
	for _, l := range o.rlimits {
		list = append(list, attr.Rlimit{Resource: l.resource, Soft: l.soft, Hard: l.hard})
	}
	if o.setsid {
		list = append(list, attr.Setsid{})
	}
	if o.user != "" {
		cred, err := credential(o.user, currentIDs())
		if err != nil {
			return nil, fmt.Errorf("--user %q: %w", o.user, err)
		}
		if cred != nil {
			list = append(list, *cred)
		}
	}
	return list, nil
}

// logger writes all to standard error.
func logger() *zap.Logger {
	enc := zapcore.NewConsoleEncoder(zap.NewDevelopmentEncoderConfig())
	return zap.New(zapcore.NewCore(enc, zapcore.Lock(os.Stderr), zapcore.DebugLevel))
}
