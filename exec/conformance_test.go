package exec_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	osexec "os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
)

// command is what os/exec's Cmd and this package's have in common.
type command interface {
	Run() error
	Start() error
	Wait() error
	Output() ([]byte, error)
	CombinedOutput() ([]byte, error)
	StdinPipe() (io.WriteCloser, error)
	StdoutPipe() (io.ReadCloser, error)
	StderrPipe() (io.ReadCloser, error)
	Environ() []string
	String() string
}

// theirs is os/exec's Cmd with the fields of c.
func theirs(c *exec.Cmd) *osexec.Cmd {
	return &osexec.Cmd{
		Path: c.Path, Args: c.Args, Env: c.Env, Dir: c.Dir, Stdin: c.Stdin, Stdout: c.Stdout, Stderr: c.Stderr,
		ExtraFiles: c.ExtraFiles, SysProcAttr: c.SysProcAttr, Err: c.Err, Cancel: c.Cancel, WaitDelay: c.WaitDelay,
	}
}

// outcome is what can be seen of a run.
type outcome struct {
	out, err, failure, text string
	env                     []string
}

func (o outcome) String() string {
	return fmt.Sprintf("out %q\nerr %q\nfailure %s\ntext %s\nenv %q", o.out, o.err, o.failure, o.text, o.env)
}

// failure describes an error by what programs ask of it.
func failure(err error) string {
	var s strings.Builder
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		fmt.Fprintf(&s, "exit %v stderr %q; ", exit, exit.Stderr)
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		fmt.Fprintf(&s, "%s of %s; ", pe.Op, pe.Path)
	}
	var ee *exec.Error
	if errors.As(err, &ee) {
		fmt.Fprintf(&s, "exec.Error %s; ", ee.Name)
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		fmt.Fprintf(&s, "errno %d; ", errno)
	}
	if s.Len() == 0 && err != nil {
		s.WriteString(err.Error())
	}
	return s.String()
}

// both runs a test against os/exec and this package and compares. It runs it once more
// with an attribute that changes nothing: elsewhere than on Linux such a Cmd takes another
// way than one without.
func both(t *testing.T, make func() *exec.Cmd, run func(c command) outcome) {
	t.Helper()
	c := make()
	cut := func(o outcome) outcome { // pids and the like must not be there; PWD is
		slices.Sort(o.env)
		return o
	}
	with := make()
	with.Attr = attr.List{attr.InheritIgnored{}}
	want := cut(run(theirs(make())))
	for _, c := range []*exec.Cmd{c, with} {
		if got := cut(run(c)); want.String() != got.String() {
			t.Errorf("%v, with os/exec\n%v\nfor %+v", got, want, c)
		}
	}
}

func ran(c command) (o outcome) {
	o.env, o.text = c.Environ(), c.String()
	o.failure = failure(c.Run())
	return o
}

func outputOf(c command) (o outcome) {
	out, err := c.Output()
	return outcome{out: string(out), failure: failure(err)}
}

func combinedOf(c command) (o outcome) {
	out, err := c.CombinedOutput()
	return outcome{out: string(out), failure: failure(err)}
}

// piped uses the three pipes.
func piped(c command) (o outcome) {
	in, err1 := c.StdinPipe()
	out, err2 := c.StdoutPipe()
	diag, err3 := c.StderrPipe()
	if err := errors.Join(err1, err2, err3); err != nil {
		for _, p := range []io.Closer{in, out, diag} {
			if f, ok := p.(*os.File); ok && f != nil {
				f.Close()
			}
		}
		// Start would have closed the other ends; it can't go on without them.
		_ = c.Start()
		_ = c.Wait()
		return outcome{failure: failure(err)}
	}
	if err := c.Start(); err != nil {
		return outcome{failure: failure(err)}
	}
	go func() {
		_, _ = io.WriteString(in, "by a pipe") // the program may not read it
		in.Close()
	}()
	errs := make(chan string)
	go func() {
		b, err := io.ReadAll(diag)
		errs <- fmt.Sprint(string(b), err)
	}()
	b, err := io.ReadAll(out)
	return outcome{out: fmt.Sprint(string(b), err), err: <-errs, failure: failure(c.Wait())}
}

func TestSameResults(t *testing.T) {
	exe, dir := testenv.Self(t), t.TempDir()
	script := filepath.Join(dir, "script")
	plain := filepath.Join(dir, "plain")
	for _, f := range []string{script, plain} {
		if err := os.WriteFile(f, []byte("#!/no/such/interpreter\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(script, 0o700); err != nil {
		t.Fatal(err)
	}
	closed, err := os.Open(exe)
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	var noFile *os.File
	for name, c := range map[string]exec.Cmd{
		"report":           {Args: testenv.HelperArgs("report", "a", "", "b c")},
		"dir":              {Args: testenv.HelperArgs("report"), Dir: dir},
		"relative dir":     {Args: testenv.HelperArgs("report"), Dir: "."},
		"env":              {Args: testenv.HelperArgs("report"), Env: []string{"A=1", "B=2", "A=3", "", "=C=4", "junk"}},
		"no env":           {Args: testenv.HelperArgs("report"), Env: []string{}},
		"env and dir":      {Args: testenv.HelperArgs("report"), Env: []string{"A=1"}, Dir: dir},
		"NUL in env":       {Args: testenv.HelperArgs("report"), Env: []string{"A=\x00"}},
		"NUL in args":      {Args: testenv.HelperArgs("report", "\x00")},
		"NUL in path":      {Path: "\x00"},
		"NUL in dir":       {Args: testenv.HelperArgs("report"), Dir: "\x00"},
		"exit":             {Args: testenv.HelperArgs("exit", "7")},
		"signal":           {Args: testenv.HelperArgs("kill")},
		"stderr":           {Args: testenv.HelperArgs("write", "2", "100000")},
		"stdout":           {Args: testenv.HelperArgs("write", "1", "300000")},
		"both":             {Args: testenv.HelperArgs("both")},
		"no program":       {Path: "/no/such/program"},
		"directory":        {Path: dir},
		"not executable":   {Path: plain},
		"interpreter":      {Path: script},
		"relative":         {Path: "./script", Dir: dir},
		"no directory":     {Args: testenv.HelperArgs("report"), Dir: "/no/such/directory"},
		"dir is a file":    {Args: testenv.HelperArgs("report"), Dir: plain},
		"dir below a file": {Args: testenv.HelperArgs("report"), Dir: plain + "/x"},
		"sys, no dir":      {Args: testenv.HelperArgs("report"), Dir: "/no/such/directory", SysProcAttr: &syscall.SysProcAttr{}},
		"own error":        {Path: "/x", Err: errors.New("my own")},
		"not found":        {Path: "x", Err: &exec.Error{Name: "x", Err: exec.ErrNotFound}},
		"cancel":           {Args: testenv.HelperArgs("report"), Cancel: func() error { return nil }},
		"closed stdin":     {Args: testenv.HelperArgs("cat"), Stdin: closed},
		"nil file":         {Args: testenv.HelperArgs("cat"), Stdin: noFile},
		"big stdin":        {Args: testenv.HelperArgs("cat"), Stdin: nil},
		"wait delay":       {Args: testenv.HelperArgs("both"), WaitDelay: time.Minute},
		"empty":            {Path: "/"},
	} {
		for how, run := range map[string]func(command) outcome{"run": ran, "output": outputOf, "combined": combinedOf, "piped": piped} {
			t.Run(strings.ReplaceAll(name, " ", "_")+"/"+how, func(t *testing.T) {
				make := func() *exec.Cmd {
					c := &exec.Cmd{
						Path: c.Path, Args: c.Args, Env: c.Env, Dir: c.Dir, Stdin: c.Stdin, SysProcAttr: c.SysProcAttr,
						Err: c.Err, Cancel: c.Cancel, WaitDelay: c.WaitDelay,
					}
					if c.Path == "" {
						c.Path = exe
					}
					if c.Args == nil {
						c.Args = []string{c.Path} // os/exec's String panics without
					}
					if name == "big stdin" {
						c.Stdin = strings.NewReader(strings.Repeat("x", 1<<20))
					}
					return c
				}
				both(t, make, run)
			})
		}
	}
}

// TestMisuse compares the errors of wrong calls, which programs match by text.
func TestMisuse(t *testing.T) {
	exe := testenv.Self(t)
	text := func(errs ...error) outcome { return outcome{failure: fmt.Sprint(errs)} }
	for name, run := range map[string]func(c command) outcome{
		"wait first":  func(c command) outcome { return text(c.Wait()) },
		"start twice": func(c command) outcome { return text(c.Start(), c.Start(), c.Wait()) },
		"run twice":   func(c command) outcome { return text(c.Run(), c.Run()) },
		"pipe twice": func(c command) outcome {
			_, err1 := c.StdoutPipe()
			_, err2 := c.StdoutPipe()
			_, err3 := c.Output()
			_, err4 := c.CombinedOutput()
			return text(err1, err2, err3, err4, c.Start(), c.Wait())
		},
		"pipe late": func(c command) outcome {
			err := c.Start()
			_, err1 := c.StdinPipe()
			_, err2 := c.StdoutPipe()
			_, err3 := c.StderrPipe()
			return text(err, err1, err2, err3, c.Wait())
		},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func() *exec.Cmd { return &exec.Cmd{Path: exe, Args: testenv.HelperArgs("exit", "0")} }, run)
		})
	}
	both(t, func() *exec.Cmd { return &exec.Cmd{} }, func(c command) outcome { return text(c.Run()) })
	both(t, func() *exec.Cmd { return exec.Command("no-such-program", "a") }, func(c command) outcome {
		return outcome{failure: c.Run().Error(), text: c.String()}
	})
}

// FuzzCmd runs made up commands with os/exec and here.
func FuzzCmd(f *testing.F) {
	f.Add([]byte("report"), uint8(0), "A=1\nA=2", "", uint8(3))
	f.Add([]byte("exit"), uint8(37), "", "/", uint8(0))
	f.Add([]byte("cat"), uint8(255), "=\n==\nA", "/no/such/directory", uint8(1))
	names := []string{"report", "cat", "exit", "kill", "both", "write"}
	f.Fuzz(func(t *testing.T, in []byte, shape uint8, env, dir string, extra uint8) {
		if runtime.GOOS == "windows" {
			testenv.Skip(t, "no extra files")
		}
		exe, tmp := testenv.Self(t), t.TempDir()
		name := names[int(shape>>4)%len(names)]
		args := map[string][]string{"exit": {fmt.Sprint(extra)}, "write": {fmt.Sprint(1 + shape&1), "70000"}}[name]
		run := func(which func(c *exec.Cmd) command) string {
			var out, diag bytes.Buffer
			c := &exec.Cmd{Path: exe, Args: testenv.HelperArgs(name, args...), Dir: dir}
			if env != "" {
				c.Env = strings.Split(env, "\n")
			}
			if shape&1 != 0 {
				c.Stdin = bytes.NewReader(in)
			}
			if shape&2 != 0 {
				c.Stdout = &out
			}
			if shape&4 != 0 {
				c.Stderr = &diag
			}
			if shape&8 != 0 {
				c.Stderr = c.Stdout
			}
			for i := range int(extra % 4) {
				if i == 1 {
					c.ExtraFiles = append(c.ExtraFiles, nil)
					continue
				}
				file := filepath.Join(tmp, fmt.Sprint("extra", i))
				if err := os.WriteFile(file, fmt.Append(nil, "extra ", i), 0o600); err != nil {
					t.Fatal(err)
				}
				x, err := os.Open(file)
				if err != nil {
					t.Fatal(err)
				}
				defer x.Close()
				c.ExtraFiles = append(c.ExtraFiles, x)
			}
			err := which(c).Run()
			return fmt.Sprintf("out %q\nerr %q\n%s", &out, &diag, failure(err))
		}
		ours := run(func(c *exec.Cmd) command { return c })
		if want := run(func(c *exec.Cmd) command { return theirs(c) }); ours != want {
			t.Errorf("%s\nwith os/exec\n%s", ours, want)
		}
	})
}
