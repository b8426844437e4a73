//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestErrors wants the step beneath the error of os/exec. TestFailures compares.
func TestErrors(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	var closes spawn.FileActions
	closes.Open(5, "/no/such/file", os.O_RDONLY, 0)
	noRoot := unix.ENOENT
	if testenv.Lacks(unix.SYS_CHROOT) {
		noRoot = unix.EPERM
	}
	for name, test := range map[string]struct {
		cmd   exec.Cmd
		part  spawn.Part
		step  string
		index int
		errno syscall.Errno
	}{
		"chroot": {exec.Cmd{Path: "/bin/true", SysProcAttr: &syscall.SysProcAttr{Chroot: "/no/such"}},
			spawn.PartAttr, "chroot", -1, noRoot},
		"terminal": {exec.Cmd{Path: "/bin/true", SysProcAttr: &syscall.SysProcAttr{Setsid: true, Setctty: true}},
			spawn.PartAttr, "ctty", -1, syscall.ENOTTY},
		"action":    {exec.Cmd{Path: "/bin/true", Dir: "/", Actions: closes}, spawn.PartAction, "open", 0, syscall.ENOENT},
		"attribute": {exec.Cmd{Path: "/bin/true", Attr: attr.List{attr.Umask(0), attr.Nice(99)}}, spawn.PartAttr, "nice", 1, syscall.EINVAL},
		"contradiction": {exec.Cmd{Path: "/bin/true", Attr: attr.List{attr.Setsid{}}, SysProcAttr: &syscall.SysProcAttr{Setsid: true}},
			spawn.PartAttr, "attr", -1, syscall.EINVAL},
	} {
		t.Run(name, func(t *testing.T) {
			err := test.cmd.Run()
			var pe *fs.PathError
			var se *spawn.Error
			if !errors.As(err, &pe) || !errors.As(err, &se) {
				t.Fatalf("got %v", err)
			}
			t.Log(err)
			if pe.Op != "fork/exec" || se.Part != test.part || se.Step != test.step || se.Index != test.index || !errors.Is(err, test.errno) {
				t.Errorf("got %s, %v, step %s index %d, %v", pe.Op, se.Part, se.Step, se.Index, err)
			}
		})
	}
}

// TestErrorTexts are those that programs match.
func TestErrorTexts(t *testing.T) {
	for want, c := range map[string]*exec.Cmd{
		"fork/exec /no/such: no such file or directory":               {Path: "/no/such"},
		"chdir /no/such: no such file or directory":                   {Path: "/bin/true", Dir: "/no/such"},
		`exec: "no-such-program": executable file not found in $PATH`: exec.Command("no-such-program"),
		"exit status 1":      exec.Command("/bin/false"),
		"signal: terminated": exec.Command("/bin/sh", "-c", "kill $$"),
	} {
		if err := c.Run(); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestClosedByDefault is the one difference, and how it is undone.
func TestClosedByDefault(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	fd, err := unix.Dup(int(r.Fd())) // not close-on-exec
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for _, all := range []bool{false, true} {
		c := exec.Command("/bin/sh", "-c", fmt.Sprintf("test -e /proc/self/fd/%d", fd))
		c.InheritAll = all
		if err := c.Run(); (err == nil) != all {
			t.Errorf("InheritAll %v: %v", all, err)
		}
	}
}

// TestActions come after the streams and ExtraFiles.
func TestActions(t *testing.T) {
	var a spawn.FileActions
	a.Dup2(1, 3)
	c := exec.Command("/bin/sh", "-c", "echo three >&3; umask")
	c.Actions, c.Attr = a, attr.List{attr.Umask(0o27)}
	out, err := c.Output()
	if err != nil || string(out) != "three\n0027\n" {
		t.Errorf("got %q, %v", out, err)
	}
}

// TestIgnoredSignals are ignored by the program, too, as with os/exec, unless Attr
// says otherwise.
func TestIgnoredSignals(t *testing.T) {
	signal.Ignore(syscall.SIGHUP)
	defer func() { // Reset alone would leave it ignored
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGHUP)
		signal.Stop(c)
	}()
	hangUp := func() *exec.Cmd {
		return &exec.Cmd{Path: "/bin/sh", Args: []string{"sh", "-c", "kill -HUP $$; echo alive"}}
	}
	both(t, hangUp, outputOf)
	if out, err := hangUp().Output(); err != nil || string(out) != "alive\n" {
		t.Errorf("got %q, %v", out, err)
	}
	c := hangUp()
	c.Attr = attr.List{attr.SigDefault{syscall.SIGHUP}}
	if out, err := c.Output(); err == nil {
		t.Errorf("got %q", out)
	}
}

// TestNotReaped leaves a process that nobody waits for to somebody who knows its
// pid, where NoReap says so, also when the Cmd is gone.
func TestNotReaped(t *testing.T) {
	pid := func() int {
		c := exec.Command("/bin/sh", "-c", "exit 5")
		c.NoReap = true
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		return c.Process.Pid
	}()
	for range 5 {
		runtime.GC()
		time.Sleep(10 * time.Millisecond)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil || status.ExitStatus() != 5 {
		t.Errorf("got %v, %v", status, err)
	}
}

// TestWaitByProcess reaps by Process.Wait, behind the back of Cmd.
func TestWaitByProcess(t *testing.T) {
	c := exec.Command("/bin/sh", "-c", "exit 5")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	state, err := c.Process.Wait()
	if err != nil || state.ExitCode() != 5 {
		t.Errorf("got %v, %v", state, err)
	}
	if err := c.Wait(); err == nil {
		t.Error("Wait has found a child")
	}
}

// TestContextAtStart has a context that has ended before.
func TestContextAtStart(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c := exec.CommandContext(ctx, "/bin/true")
	if err := c.Run(); !errors.Is(err, context.Canceled) || c.Process != nil {
		t.Errorf("got %v, %v", err, c.Process)
	}
}

func TestLogger(t *testing.T) {
	spawntest.NeedBest(t)
	core, logs := observer.New(zap.DebugLevel)
	c := exec.Command("/bin/sh", "-c", "exit 3", "secret")
	c.Logger = zap.New(core)
	_ = c.Run() // status 3
	var lines []string
	for _, e := range logs.All() {
		lines = append(lines, fmt.Sprint(e.Message, e.ContextMap()))
	}
	all := strings.Join(lines, "\n")
	if len(lines) != 2 || !strings.Contains(all, "exit status 3") || strings.Contains(all, "secret") {
		t.Errorf("got %q", lines)
	}
}

// TestNilLogger wants a nil pointer to be no Logger.
func TestNilLogger(t *testing.T) {
	for _, tree := range []bool{false, true} {
		c := exec.Command("/bin/true")
		c.Logger, c.Tree = (*zap.Logger)(nil), tree
		if err := c.Run(); err != nil {
			t.Error(err)
		}
	}
}

// TestFailureLeavesNothing wants no descriptor to be left by a start that fails.
func TestFailureLeavesNothing(t *testing.T) {
	before := len(inventory())
	for range 20 {
		c := exec.Command("/no/such/program")
		c.Stdin = strings.NewReader("x")
		c.Tree = true
		if _, err := c.Output(); !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if now := len(inventory()); now != before {
		t.Errorf("%d descriptors, %d before", now, before)
	}
}

// TestNamespacesTwice has a kind of namespace made by clone and by unshare, of which
// os/exec takes no notice.
func TestNamespacesTwice(t *testing.T) {
	cmd := exec.Command("readlink", "/proc/self/ns/uts")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUTS, Unshareflags: unix.CLONE_NEWUTS | unix.CLONE_NEWIPC}
	own, err := os.Readlink("/proc/self/ns/uts")
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.Output()
	if errors.Is(err, unix.EPERM) {
		spawntest.NeedNamespaces(t, unix.CLONE_NEWUTS|unix.CLONE_NEWIPC)
	}
	if err != nil || string(out) == own+"\n" {
		t.Errorf("%q, %v", out, err)
	}
}
