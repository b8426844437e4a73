//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/handover"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

func init() {
	if os.Args[0] == testenv.HelperPrefix+"become" {
		runtime.LockOSThread() // the first
	}
}

var _ = testenv.RegisterHelper("become", helperBecome)

// helperBecome becomes a program without what a fallback is for. It inherits all files or
// none. A failure has a status of its own.
func helperBecome(args []string) int {
	spawntest.Force(args[0])
	s := spawntest.Shell(`umask; cat <&4; readlink /proc/$$/fd/5; pwd; [ $0 = all ] || ls /proc/$$/fd; :`)
	s.Args = append(s.Args, args[1])
	s.Attr = attr.List{attr.Umask(0o77), attr.OOMScoreAdj(500)}
	r, w, err := os.Pipe()
	if err != nil {
		return testenv.Status(err)
	}
	fmt.Fprintln(w, "text")
	_ = w.Close()
	if args[1] == "all" {
		s.Actions.InheritAll()
	}
	s.Actions.File(r, 4)
	s.Actions.Open(5, "/dev/null", unix.O_RDONLY, 0)
	s.Actions.Chdir("/usr")
	if args[2] != "" {
		s.Path = args[2]
	}
	p, err := handover.CompileExec(s, func(err error) {
		var e *spawn.Error
		if errors.As(err, &e) && e.Step == spawn.StepExecve && errors.Is(err, fs.ErrNotExist) {
			os.Exit(9)
		}
		fmt.Println(err)
		os.Exit(1)
	})
	if err == nil {
		_, err = p.Start(context.Background())
	}
	var e *spawn.Error
	if errors.As(err, &e) && e.Step == spawn.StepFileTable && errors.Is(err, unix.EPERM) && strings.Contains(e.Hint, "close_range") {
		return noOwnTable
	}
	return testenv.Status(err)
}

// noOwnTable is the status of a helper that could not become the program, because no call
// gives a thread descriptors of its own.
const noOwnTable = 8

// TestHereEachEngine becomes a program with each fallback, which must have what it is to
// have, or fails to.
func TestHereEachEngine(t *testing.T) {
	for _, engine := range spawntest.Chosen(t.Name()) {
		for _, inherit := range []string{"none", "all"} {
			for path, want := range map[string]int{"": 0, "/nonexistent/program": 9} {
				if testenv.LacksOwnTable() {
					want = noOwnTable
				}
				cmd := &exec.Cmd{Path: testenv.Self(t), Args: testenv.HelperArgs("become", engine, inherit, path), Stderr: os.Stderr}
				out, _ := cmd.Output()
				if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != want {
					t.Errorf("without %s, %s, %q: %v, %q", engine, inherit, path, cmd.ProcessState, out)
				}
				if testenv.LacksOwnTable() {
					continue
				}
				text := "0077\ntext\n/dev/null\n/usr\n"
				if inherit == "none" {
					text += "0\n1\n2\n4\n5\n"
				}
				if path == "" && string(out) != text {
					t.Errorf("without %s, %s: %q, want %q", engine, inherit, out, text)
				}
			}
		}
	}
}

// TestHereRefuses wants what needs a child to be refused, and a start in another thread
// than the first to change nothing.
func TestHereRefuses(t *testing.T) {
	failed := func(err error) { t.Error(err) }
	user, err := os.Open("/proc/self/ns/user")
	if err != nil {
		t.Fatal(err)
	}
	defer user.Close()
	tree, err := spawn.NewTree(spawn.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	for _, a := range []attr.Attr{
		attr.Namespaces{Flags: unix.CLONE_NEWUSER}, attr.Namespaces{Flags: unix.CLONE_NEWPID},
		attr.Unshare{Flags: unix.CLONE_NEWUSER}, attr.JoinNamespace{File: user}, attr.StartSuspended{}, attr.Ptrace{},
		attr.DieWithParent{}, tree.Attr(),
	} {
		s := spawntest.Shell("exit 3")
		s.Attr = attr.List{a}
		if _, err := handover.CompileExec(s, failed); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%T: %v", a, err)
		}
	}
	p, err := handover.CompileExec(spawntest.Shell("exit 3"), failed)
	if err != nil {
		t.Fatal(err)
	}
	testenv.OnThread(func() {
		if _, err := p.Start(t.Context()); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("in another thread: %v", err)
		}
	})
}
