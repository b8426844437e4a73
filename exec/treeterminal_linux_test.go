//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
)

func init() {
	testenv.RegisterHelper("terminal tree", func(args []string) int {
		if args[0] == "group" {
			exec.ForceNoCgroup()
		}
		return status(readTerminal(args[1]))
	})
	testenv.RegisterHelper("shell", shell)
	testenv.RegisterHelper("asks terminal", asksTerminal)
	testenv.RegisterHelper("asks beside", asksBeside)
	testenv.RegisterHelper("begin together", beginTogether)
	testenv.RegisterHelper("watching shell", watchingShell)
}

// reading is a program that reads a line from the terminal.
const reading = `echo reading; read x && echo "got $x"; `

// readTerminal runs trees that read from the terminal, which is descriptor 0, and
// asks who is in its foreground afterwards.
func readTerminal(end string) error {
	for _, path := range []string{"/bin/sh", "/no/such/program"} {
		c := &exec.Cmd{Path: path, Args: []string{"sh", "-c", reading + end}, Tree: true}
		c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
		fmt.Println("end", c.Run())
		if c.Process != nil {
			fmt.Println("held", c.TreeHolds() == nil)
		}
		fg, err := unix.IoctlGetInt(0, unix.TIOCGPGRP)
		if err != nil || fg != unix.Getpgrp() {
			return fmt.Errorf("foreground %d, %w", fg, err)
		}
	}
	return nil
}

// onPTY starts a helper that leads the session of a terminal, and returns the
// terminal's other side, and what the helper prints.
func onPTY(t *testing.T, name string, args ...string) (c *exec.Cmd, keyboard io.Writer, out *bufio.Scanner) {
	t.Helper()
	master, tty := testenv.OpenPTY(t)
	c = &exec.Cmd{Path: testenv.Self(t), Args: testenv.HelperArgs(name, args...), Stdin: tty}
	c.Attr = attr.List{attr.Setsid{}, attr.ControllingTTY{File: tty}}
	r, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c, master, bufio.NewScanner(r)
}

func mustScan(t *testing.T, s *bufio.Scanner, want ...string) {
	t.Helper()
	for _, line := range want {
		if !s.Scan() || s.Text() != line {
			t.Errorf("got %q, want %q", s.Text(), line)
		}
	}
}

func typeIn(t *testing.T, keyboard io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(keyboard, text); err != nil {
		t.Fatal(err)
	}
}

// TestTreeTerminal has a tree read from the terminal, where it would be stopped in
// the background, and wants the terminal back, however the child ends.
func TestTreeTerminal(t *testing.T) {
	kinds := []string{"group"}
	if exec.Features().Has(exec.FeatureTreeCgroup) {
		kinds = append(kinds, "cgroup")
	}
	for _, kind := range kinds {
		for script, end := range map[string]string{"": "<nil>", "exit 3": "exit status 3", "kill -9 $$": "signal: killed"} {
			t.Run(kind+" "+script, func(t *testing.T) {
				c, keyboard, out := onPTY(t, "terminal tree", kind, script)
				mustScan(t, out, "reading")
				typeIn(t, keyboard, "hello\n")
				mustScan(t, out, "got hello", "end "+end, "held "+strconv.FormatBool(kind == "cgroup"))
				mustScan(t, out, "end fork/exec /no/such/program: no such file or directory")
				if err := c.Wait(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestTreeTerminalStop stops a tree from the keyboard, with the process that has
// it, and continues that as a shell does.
func TestTreeTerminalStop(t *testing.T) {
	kinds := []string{"group"}
	if exec.Features().Has(exec.FeatureTreeCgroup) {
		kinds = append(kinds, "cgroup")
	}
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			c, keyboard, out := onPTY(t, "shell", testenv.Self(t), kind)
			mustScan(t, out, "reading")
			time.Sleep(10 * time.Millisecond) // for it to be at it; it need not
			typeIn(t, keyboard, "\x1a")
			mustScan(t, out, "stopped")
			typeIn(t, keyboard, "hello\n")
			mustScan(t, out, "got hello", "end <nil>", "held "+strconv.FormatBool(kind == "cgroup"))
			mustScan(t, out, "end fork/exec /no/such/program: no such file or directory")
			if err := c.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// shell runs "terminal tree" as a job in the foreground, and continues it when it
// was stopped.
func shell(args []string) int {
	job := &exec.Cmd{Path: args[0], Args: testenv.HelperArgs("terminal tree", args[1], ""), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	job.SysProcAttr = &syscall.SysProcAttr{Foreground: true, Ctty: 0}
	if err := job.Start(); err != nil {
		return status(err)
	}
	pid := job.Process.Pid
	var s syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &s, syscall.WUNTRACED, nil); err != nil || !s.Stopped() {
		return status(fmt.Errorf("the job has not stopped: %v, %w", s, err))
	}
	fmt.Println("stopped")
	// SIGTTOU is ignored by shells, too.
	if err := exec.FromBackground(func() error { return unix.IoctlSetPointerInt(0, unix.TIOCSPGRP, pid) }); err != nil {
		return status(err)
	}
	if err := syscall.Kill(-pid, syscall.SIGCONT); err != nil {
		return status(err)
	}
	return status(job.Wait())
}

// asksTerminal runs trees without a control group, at once, that open the terminal, which
// is not their Stdin.
func asksTerminal(names []string) int {
	defer exec.ForceNoCgroup()()
	var all []*exec.Cmd
	for _, name := range names {
		c := asking(name, "</dev/tty")
		if err := c.Start(); err != nil {
			return status(err)
		}
		all = append(all, c)
	}
	fmt.Println("started")
	for _, c := range all {
		if err := c.Wait(); err != nil {
			return status(err)
		}
	}
	return owns()
}

// asking is a tree that reads a line from the terminal, and says so.
func asking(name, from string) *exec.Cmd {
	c := exec.Command("/bin/sh", "-c", "read x "+from+"; echo "+name+" got $x")
	c.Tree, c.Stdout, c.Stderr = true, os.Stdout, os.Stderr
	return c
}

// beginTogether runs trees, at once, that would each begin in the foreground of the
// terminal, their Stdin.
func beginTogether(names []string) int {
	defer exec.ForceNoCgroup()()
	var all sync.WaitGroup
	for _, name := range names {
		c := asking(name, "")
		c.Stdin = os.Stdin
		all.Go(func() {
			if err := c.Run(); err != nil {
				fmt.Println(err)
			}
		})
	}
	all.Wait()
	return owns()
}

// owns says whether this process is in the foreground of its terminal.
func owns() int {
	fg, err := unix.IoctlGetInt(0, unix.TIOCGPGRP)
	fmt.Println("foreground", fg == unix.Getpgrp(), err)
	return 0
}

// TestTreeAsksTerminal has trees read the terminal from the background, where they
// would be stopped for good. Each has it alone: it gets a whole line.
func TestTreeAsksTerminal(t *testing.T) {
	names := strings.Split("abcdefghij", "")
	c, keyboard, out := onPTY(t, "asks terminal", names...)
	mustScan(t, out, "started")
	eachGets(t, names, keyboard, out)
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

// TestTreesBeginTogether has trees that read the terminal, and are all started before one
// of them has it. This process does not stop.
func TestTreesBeginTogether(t *testing.T) {
	names := strings.Split("abcd", "")
	c, keyboard, out := onPTY(t, "watching shell", append([]string{"begin together"}, names...)...)
	eachGets(t, names, keyboard, out)
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

// eachGets types a line for each tree.
func eachGets(t *testing.T, names []string, keyboard io.Writer, out *bufio.Scanner) {
	t.Helper()
	var got []string
	for i := range names {
		typeIn(t, keyboard, "line\n")
		if !out.Scan() {
			t.Fatalf("no answer to line %d", i)
		}
		got = append(got, out.Text())
	}
	slices.Sort(got)
	for i, name := range names {
		if want := name + " got line"; got[i] != want {
			t.Errorf("%q, want %q", got[i], want)
		}
	}
	mustScan(t, out, "foreground true <nil>")
}

// watchingShell runs a helper as a job in the foreground, and says if it stops.
func watchingShell(args []string) int {
	job := &exec.Cmd{Path: "/proc/self/exe", Args: testenv.HelperArgs(args[0], args[1:]...), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	job.SysProcAttr = &syscall.SysProcAttr{Foreground: true, Ctty: 0}
	if err := job.Start(); err != nil {
		return status(err)
	}
	var s syscall.WaitStatus
	if _, err := syscall.Wait4(job.Process.Pid, &s, syscall.WUNTRACED, nil); err != nil || s.Stopped() {
		fmt.Println("the job has stopped", err)
		_ = syscall.Kill(-job.Process.Pid, syscall.SIGKILL) // it is a child
	}
	return s.ExitStatus()
}

// asksBeside runs a tree whose Stdin is the terminal, and beside it one that opens the
// terminal, and is stopped because of that.
func asksBeside([]string) int {
	defer exec.ForceNoCgroup()()
	has := exec.Command("/bin/sh", "-c", "read x; echo has $x")
	asks := exec.Command("/bin/sh", "-c", "echo asks $(head -n 1 </dev/tty)") // BusyBox's read polls, which stops nobody
	has.Stdin = os.Stdin
	for _, c := range []*exec.Cmd{has, asks} {
		c.Tree, c.Stdout, c.Stderr = true, os.Stdout, os.Stderr
		if err := c.Start(); err != nil {
			return status(err)
		}
	}
	if err := unix.Waitid(unix.P_PID, asks.Process.Pid, nil, unix.WSTOPPED|unix.WNOWAIT, nil); err != nil {
		return status(err)
	}
	time.Sleep(3 * exec.StopPoll) // for this process to stop; it must not
	fmt.Println("both")
	for _, c := range []*exec.Cmd{has, asks} {
		if err := c.Wait(); err != nil {
			return status(err)
		}
	}
	return 0
}

// TestTreeAsksBeside has a tree read the terminal while another tree has it from its start.
func TestTreeAsksBeside(t *testing.T) {
	c, keyboard, out := onPTY(t, "watching shell", "asks beside")
	mustScan(t, out, "both")
	typeIn(t, keyboard, "one\n")
	mustScan(t, out, "has one")
	typeIn(t, keyboard, "two\n")
	mustScan(t, out, "asks two")
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}
