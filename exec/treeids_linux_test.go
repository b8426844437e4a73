//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package exec_test

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
)

func init() {
	testenv.RegisterHelper("become root", func([]string) int {
		if err := syscall.Setuid(0); err != nil {
			return status(err)
		}
		fmt.Println("root")
		time.Sleep(time.Minute)
		return 0
	})
	testenv.RegisterHelper("kill root", func(args []string) int { return status(killRoot(args[0], args[1])) })
}

// killRoot kills a tree whose child is root's by now, with this very program, which
// is set-user-ID.
func killRoot(kind, becomeRoot string) error {
	if kind == "group" {
		defer exec.ForceNoCgroup()()
	}
	// It has root's rights only until here.
	if err := syscall.Setreuid(65534, 65534); err != nil {
		return err
	}
	path, err := os.Executable()
	if err != nil {
		return err
	}
	c := &exec.Cmd{Path: path, Args: []string{becomeRoot}, Dir: "/", Tree: true}
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	if lines := bufio.NewScanner(out); !lines.Scan() || lines.Text() != "root" {
		fmt.Println("no set-user-ID")
		return c.Wait()
	}
	fmt.Println("pid", c.Process.Pid)
	fmt.Println("held", c.TreeHolds() == nil)
	err = c.Kill()
	fmt.Println("kill", err == nil, errors.Is(err, fs.ErrPermission))
	if err == nil {
		_ = c.Wait() // killed
		fmt.Println("afterwards", c.TreeHolds() == nil)
	}
	return nil
}

// TestTreeOfRoot has a tree whose child is another user's by now: a control group
// is killed all the same, and without one the error is that it may not be.
func TestTreeOfRoot(t *testing.T) {
	g := testGroup(t)
	if os.Geteuid() != 0 {
		testenv.Skip(t, "needs root")
	}
	delegate(t, g)
	for _, kind := range []string{"cgroup", "group"} {
		c := asNobody(t, g, "kill root", kind, testenv.HelperArgs("become root")[0])
		if err := os.Chmod(c.Path, 0o755|fs.ModeSetuid); err != nil {
			t.Fatal(err)
		}
		out, err := c.Output()
		if strings.Contains(string(out), "no set-user-ID") {
			testenv.Skip(t, "no set-user-ID here")
		}
		var pid int
		var held, killed, refused bool
		n, serr := fmt.Sscanf(string(out), "pid %d\nheld %t\nkill %t %t\n", &pid, &held, &killed, &refused)
		if err != nil || n != 4 {
			t.Fatalf("%q, %v, %v", out, err, serr)
		}
		if held != (kind == "cgroup") || killed != held || refused == held {
			t.Errorf("%s: %q", kind, out)
		}
		if !testenv.IsOver(pid) != refused {
			t.Errorf("%s: it is alive", kind)
		}
		_ = syscall.Kill(pid, syscall.SIGKILL) // not to leave it behind
	}
}
