package exec_test

import (
	"context"
	"errors"
	"io"
	"os"
	osexec "os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
)

func init() {
	testenv.RegisterHelper("nothing", func([]string) int { return 0 })
	testenv.RegisterHelper("sleep for long", func([]string) int { time.Sleep(time.Hour); return 0 })
	testenv.RegisterHelper("a cat in a place", catInPlace)
}

// TestStdFields fails with a version of Go whose Cmd has fields that FromStd and Std do
// not know.
func TestStdFields(t *testing.T) {
	for _, f := range reflect.VisibleFields(reflect.TypeFor[osexec.Cmd]()) {
		if !slices.Contains(exec.StdFields, f.Name) {
			t.Errorf("os/exec's Cmd has a field %s", f.Name)
		}
	}
}

// TestStdRefuses sets each field that os/exec has not.
func TestStdRefuses(t *testing.T) {
	asThere := []string{"InheritAll", "NoReap"}
	values := map[string]any{
		"Stop": spawn.Graceful(time.Second), "Attr": attr.List{attr.Umask(0o22)}, "Logger": spawn.Logger(zap.NewNop()),
		"Observer": spawn.Observer(deafObserver{}), "Limiter": spawn.NewLimiter(1), "Tree": true, "TreeStrict": true, "MaxOutput": 1,
		"ListenFDs": exec.ListenFDs{{}}, "DirFile": os.Stdin, "BufferPipes": true, "PTY": &exec.PTY{}, "ContextError": true,
	}
	var actions spawn.FileActions
	actions.Close(9)
	values["Actions"] = actions
	for _, f := range reflect.VisibleFields(reflect.TypeFor[exec.Cmd]()) {
		_, there := reflect.TypeFor[osexec.Cmd]().FieldByName(f.Name)
		if !f.IsExported() || there || slices.Contains(asThere, f.Name) {
			continue
		}
		value, known := values[f.Name]
		if !known {
			t.Errorf("%s: not known to this test", f.Name)
			continue
		}
		c := exec.Command("true")
		reflect.ValueOf(c).Elem().FieldByIndex(f.Index).Set(reflect.ValueOf(value))
		if err := c.Std().Start(); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), f.Name) {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
	c := exec.Command("true")
	c.Tree, c.MaxOutput = true, 1
	if err := c.Std().Err; err == nil || !strings.Contains(err.Error(), "Tree, MaxOutput") {
		t.Errorf("%v", err)
	}
	if err := exec.Command("true").Std().Err; err != nil {
		t.Error(err)
	}
	// Whoever sets an ErrDot to nil must not lose what can't be carried.
	c.Err = exec.ErrDot
	if err := c.Std().Err; errors.Is(err, exec.ErrDot) || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v", err)
	}
}

type deafObserver struct{}

func (deafObserver) Started(spawn.Event) {}
func (deafObserver) Ended(spawn.Event)   {}

// cmd is what the two have in common.
type cmd interface {
	Output() ([]byte, error)
	Start() error
	Wait() error
	StdoutPipe() (io.ReadCloser, error)
}

// TestStdCarries runs a program each way, and compares.
func TestStdCarries(t *testing.T) {
	self, args := testenv.Self(t), testenv.HelperArgs("a cat in a place")
	dir := t.TempDir()
	ours := exec.Command(self)
	ours.Args, ours.Env, ours.Dir, ours.Stdin = args, append(os.Environ(), "PLACE=x"), dir, strings.NewReader("in")
	std := osexec.Command(self)
	std.Args, std.Env, std.Dir, std.Stdin = args, append(os.Environ(), "PLACE=x"), dir, strings.NewReader("in")
	for name, c := range map[string]cmd{"FromStd": exec.FromStd(std), "Std": ours.Std()} {
		out, err := c.Output()
		var ended *exec.ExitError
		if !errors.As(err, &ended) || ended.ExitCode() != 3 || string(ended.Stderr) != "err" || string(out) != "x "+dir+" in" {
			t.Errorf("%s: %q, %v", name, out, err)
		}
	}
}

func catInPlace([]string) int {
	in, err := io.ReadAll(os.Stdin)
	if err != nil {
		return testenv.Status(err)
	}
	dir, err := os.Getwd()
	if err != nil {
		return testenv.Status(err)
	}
	os.Stdout.WriteString(os.Getenv("PLACE") + " " + dir + " " + string(in))
	os.Stderr.WriteString("err")
	return 3
}

// TestStdContext ends the context of a Cmd that came from the other package, with the
// Cancel of CommandContext, another and none.
func TestStdContext(t *testing.T) {
	cancels := map[string]func(set func(func() error), process func() *os.Process){
		"as it is": func(func(func() error), func() *os.Process) {},
		"another": func(set func(func() error), process func() *os.Process) {
			set(func() error { return process().Kill() })
		},
		"none": func(set func(func() error), process func() *os.Process) { set(nil) }, // WaitDelay kills
	}
	for name, choose := range cancels {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			std := osexec.CommandContext(ctx, testenv.Self(t))
			std.Args, std.WaitDelay = testenv.HelperArgs("sleep for long"), 10*time.Millisecond
			choose(func(f func() error) { std.Cancel = f }, func() *os.Process { return std.Process })
			ours := exec.CommandContext(ctx, testenv.Self(t))
			ours.Args, ours.WaitDelay = std.Args, std.WaitDelay
			choose(func(f func() error) { ours.Cancel = f }, func() *os.Process { return ours.Process })
			both := map[string]cmd{"FromStd": exec.FromStd(std), "Std": ours.Std()}
			for name, c := range both {
				if err := c.Start(); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			cancel()
			for name, c := range both {
				var ended *exec.ExitError
				if err := c.Wait(); !errors.As(err, &ended) && !errors.Is(err, exec.ErrWaitDelay) {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
}

// TestStdTooLate hands over what has begun.
func TestStdTooLate(t *testing.T) {
	for name, begin := range map[string]func(c cmd){
		"pipes":   func(c cmd) { _, _ = c.StdoutPipe() },
		"started": func(c cmd) { _ = c.Start() },
	} {
		std, ours := osexec.Command(testenv.Self(t)), exec.Command(testenv.Self(t))
		std.Args, ours.Args = testenv.HelperArgs("nothing"), testenv.HelperArgs("nothing")
		begin(std)
		begin(ours)
		std.Err = exec.ErrDot
		if err := exec.FromStd(std).Start(); err == nil || errors.Is(err, exec.ErrDot) {
			t.Errorf("%s: FromStd: %v", name, err)
		}
		std.Err = nil
		if err := ours.Std().Start(); err == nil || errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: Std: %v", name, err)
		}
		for _, c := range []cmd{std, ours} {
			if name == "pipes" {
				if err := c.Start(); err != nil {
					t.Error(err)
				}
			}
			if err := c.Wait(); err != nil {
				t.Error(err)
			}
		}
	}
	if err := exec.FromStd(osexec.Command("no-such-program")).Start(); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if err := exec.Command("no-such-program").Std().Start(); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

// TestStdRunner wants the Runner of a context to be used, and never a process.
func TestStdRunner(t *testing.T) {
	ctx := exec.WithRunner(t.Context(), noRunner{})
	if err := exec.FromStd(osexec.CommandContext(ctx, "/bin/true")).Start(); !errors.Is(err, errNoRunner) {
		t.Errorf("%v", err)
	}
	if err := exec.CommandContext(ctx, "/bin/true").Std().Start(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v", err)
	}
}

var errNoRunner = errors.New("this runner runs nothing")

type noRunner struct{}

func (noRunner) Start(context.Context, *exec.Cmd) (exec.Running, error) { return nil, errNoRunner }
