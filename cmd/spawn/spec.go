package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
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
	if err := cmp.Or(o.checkExec(), o.checkInit(), o.checkOptional()); err != nil {
		return nil, err
	}
	s := &spawn.Spec{Args: o.program}
	if o.argv0 != nil {
		s.Args = append([]string{*o.argv0}, o.program[1:]...)
	}
	err := o.checkPTY()
	if err == nil && o.pty {
		o.screen, err = newScreen()
	}
	if err == nil {
		err = o.actions(&s.Actions)
	}
	if err != nil {
		return nil, err
	}
	inside := o.init && !o.dump // then the init looks for the program
	if inside {
		if err := o.asInit(s); err != nil {
			return nil, err
		}
	}
	if s.Attr, err = o.attributes(); err != nil {
		return nil, err
	}
	o.from.attrs = s.Attr
	// It comes after --user, which has its own messages.
	if s.Env, err = o.environment(os.Environ()); err != nil {
		return nil, err
	}
	if o.dump {
		if s.File, err = o.ownProgram(); err != nil {
			return nil, fmt.Errorf("--dump: %w", err)
		}
		s.Path = o.program[0]
	} else if !inside {
		if s.Path, err = find(s, o.program[0]); err != nil {
			return nil, err
		}
	}
	if o.verbose {
		s.Logger = logger()
	}
	return s, nil
}

// find is the file of a program. It is searched for as env(1) does it, in the PATH that the
// program gets and in its working directory, which may be in that PATH. What can't be run
// is taken where there is nothing else, for execve to say why.
func find(s *spawn.Spec, name string) (string, error) {
	if strings.ContainsRune(name, '/') {
		return name, nil
	}
	where := *s
	switch path, ok := lookupEnv(s.Env, "PATH"); {
	case ok && path == "" && name != "":
		return "./" + name, nil // its one directory is the working directory
	case !ok:
		where.Env = append(slices.Clone(s.Env), "PATH="+pathOfExecvp)
	}
	path := lookPath(&where, name)
	if path == "" && len(where.Attr) > 0 {
		// What will be mounted can't be seen from here: it may be as it is outside.
		where.Attr = nil
		path = lookPath(&where, name)
	}
	if path == "" {
		return "", &lookupError{name}
	}
	return path, nil
}

// lookPath is the program, or a file of its name that can't be run, or nothing.
func lookPath(s *spawn.Spec, name string) string {
	path, err := s.LookPath(name)
	var failed *spawn.Error
	if errors.As(err, &failed) {
		return failed.Object
	}
	return path
}

// pathOfExecvp is where execvp(3) searches without a PATH.
const pathOfExecvp = "/bin:/usr/bin"

// lookupError is that there is no program of a name.
type lookupError struct{ name string }

func (e *lookupError) Error() string {
	return fmt.Sprintf("%q: no such program in the PATH that it would get", e.name)
}

func lookupEnv(env []string, name string) (value string, ok bool) {
	for _, e := range env {
		if key, v, _ := strings.Cut(e, "="); isVariable(key, name) {
			value, ok = v, true
		}
	}
	return value, ok
}

// environment is that of the program, made from the one given.
func (o *options) environment(env []string) ([]string, error) {
	var sets []string
	var err error
	switch {
	case o.resetEnv:
		env = slices.DeleteFunc(env, func(e string) bool { return !strings.HasPrefix(e, "TERM=") })
		if sets, err = o.loginEnv(); err != nil {
			return nil, fmt.Errorf("--reset-env: %w", unknown(err))
		}
	case o.clearEnv:
		env = []string{}
	}
	if o.userEnv && !o.resetEnv {
		if sets, err = lookup.Env(o.user); err != nil {
			return nil, fmt.Errorf("--user-env: %w", unknown(err))
		}
	}
	for _, text := range sets {
		name, value, _ := strings.Cut(text, "=")
		env = setenv(env, variable{name, value})
	}
	for _, name := range o.unsetEnv {
		env = unsetenv(env, name)
	}
	for _, v := range o.env {
		env = setenv(env, v)
	}
	return env, nil
}

// loginEnv is what a login sets, with the PATHs of setpriv(1).
func (o *options) loginEnv() ([]string, error) {
	who := cmp.Or(o.user, strconv.Itoa(os.Getuid()))
	list, err := lookup.Env(who)
	if err != nil {
		return nil, err
	}
	cr, err := lookup.Credential(who)
	path := "/usr/local/bin:/bin:/usr/bin"
	if cr.UID == 0 {
		path = "/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin"
	}
	return append(list, "PATH="+path), err
}

func setenv(env []string, v variable) []string {
	return append(unsetenv(env, v.name), v.name+"="+v.value)
}

func unsetenv(env []string, name string) []string {
	return slices.DeleteFunc(env, func(e string) bool {
		key, _, _ := strings.Cut(e, "=")
		return isVariable(key, name)
	})
}

func isVariable(key, name string) bool {
	return key == name || runtime.GOOS == "windows" && strings.EqualFold(key, name)
}

// actions opens the files first, in the directory that spawn was called in, unless
// attributes have changed the root directory or the mount namespace by then.
func (o *options) actions(a *spawn.FileActions) error {
	opens := o.redirections()
	if o.append && o.stdout == "" && (o.stderr == "" || o.stderrToStdout()) {
		return errors.New("--append: needs --stdout or --stderr")
	}
	if o.pty {
		o.onScreen(a, opens)
	}
	by := map[int]string{}
	claim := func(flag string, fd int) error {
		if first := by[fd]; first != "" {
			return fmt.Errorf("%s: descriptor %d is that of %s already", flag, fd, first)
		}
		by[fd] = flag
		o.from.actions = append(o.from.actions, flag)
		return nil
	}
	for _, f := range opens {
		if err := claim(f.by, f.fd); err != nil {
			return err
		}
		a.Open(f.fd, f.path, f.mode, 0o666)
	}
	if o.stderrToStdout() {
		if err := claim("--stderr", 2); err != nil {
			return err
		}
		a.Dup2(1, 2)
	}
	for _, fd := range o.keep {
		if err := claim("--keep-fd", fd); err != nil {
			return err
		}
		if err := checkInherited(fd); err != nil {
			return fmt.Errorf("--keep-fd %d: %w", fd, err)
		}
		a.Inherit(fd)
	}
	if o.chdir != "" {
		o.from.actions = append(o.from.actions, "--chdir")
		a.Chdir(o.chdir)
	}
	return nil
}

// onScreen gives the program its terminal for the standard streams that no flag is about.
func (o *options) onScreen(a *spawn.FileActions, opens []opening) {
	for fd := range 3 {
		redirected := slices.ContainsFunc(opens, func(f opening) bool { return f.fd == fd })
		if !redirected && !slices.Contains(o.keep, fd) && (fd != 2 || !o.stderrToStdout()) {
			o.from.actions = append(o.from.actions, "--pty")
			a.File(o.screen.file(), fd)
		}
	}
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
		opens = append(opens, opening{"--stdin", 0, o.stdin, modes["r"]})
	}
	if o.stdout != "" {
		opens = append(opens, opening{"--stdout", 1, o.stdout, mode})
	}
	if o.stderr != "" && !o.stderrToStdout() {
		opens = append(opens, opening{"--stderr", 2, o.stderr, mode})
	}
	return append(opens, o.opens...)
}

// attributes are those of all groups. What they name is open until close.
func (o *options) attributes() (attr.List, error) {
	var all attr.List
	for _, group := range []func() (attr.List, error){
		o.processAttributes, o.schedAttributes, o.limitAttributes, o.treeAttributes, o.identityAttributes,
		o.sandboxAttributes, o.memoryAttributes, o.namespaceAttributes, o.rootAttributes,
	} {
		list, err := group()
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	o.makeOptional(all)
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
	return zap.New(zapcore.NewCore(enc, zapcore.Lock(logFile{os.Stderr}), zapcore.DebugLevel))
}

// logFile is a file of lines whose columns have tabs between them.
type logFile struct{ *os.File }

func (f logFile) Write(line []byte) (int, error) {
	columns := strings.Split(strings.TrimSuffix(string(line), "\n"), "\t")
	for i, text := range columns {
		columns[i] = tame(text)
	}
	return len(line), write(f.File, strings.Join(columns, "\t")+"\n")
}
