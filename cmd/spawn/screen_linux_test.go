package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/testenv"
)

var _ = testenv.RegisterHelper("screen panics", helperScreenPanics)

// helperScreenPanics panics while the terminal on standard input is raw.
func helperScreenPanics([]string) int {
	s, err := newScreen()
	if err != nil || s.raw() != nil {
		return 1
	}
	go s.guarded(func() { panic("as it should") })
	select {}
}

// withPTY runs spawn --pty where standard input is no terminal.
func withPTY(t *testing.T, input string, args ...string) result {
	t.Helper()
	testenv.OpenPTY(t) // or the test is skipped
	cmd := spawnCmd(t, append([]string{"--pty"}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	return finish(t, cmd)
}

// TestPTY wants a terminal, a session of its own, and all output.
func TestPTY(t *testing.T) {
	t.Parallel()
	r := withPTY(t, "", "sh", "-c", `test -t 0 && test -t 1 && test -t 2 && : >/dev/tty && tty && cut -d' ' -f1,6 /proc/$$/stat; exit 3`)
	words := strings.Fields(r.out)
	if r.status != 3 || len(words) != 3 || !strings.HasPrefix(words[0], "/dev/pts/") || words[1] != words[2] {
		t.Errorf("%+v", r)
	}
	if r := withPTY(t, "", "sh", "-c", "kill -9 $$"); r.status != statusSignal+9 {
		t.Errorf("%+v", r)
	}
	want := strings.Builder{}
	for i := range 20000 {
		fmt.Fprintf(&want, "%d\r\n", i+1)
	}
	for range testenv.Rounds(3, 100) {
		if r := withPTY(t, "", "seq", "20000"); r.status != 0 || r.out != want.String() {
			t.Errorf("status %d, %d bytes of %d", r.status, len(r.out), want.Len())
		}
	}
	// Others may keep the terminal.
	if r := withPTY(t, "", "sh", "-c", "trap '' HUP; sleep 600 & seq 20000; echo $! >&2"); !strings.HasPrefix(r.out, want.String()) {
		t.Errorf("%d bytes of %d", len(r.out), want.Len())
	} else if rest := r.out[want.Len():]; true {
		var pid int
		if _, err := fmt.Sscan(rest, &pid); err != nil {
			t.Fatal(err)
		}
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
	}
}

// TestPTYInput wants the end of the input to be one for the program.
func TestPTYInput(t *testing.T) {
	t.Parallel()
	for input, want := range map[string]string{
		"":                                   "",
		"a line\n":                           "a line\r\n",
		"no newline":                         "no newline",
		strings.Repeat("many lines\n", 5000): strings.Repeat("many lines\r\n", 5000),
	} {
		if r := withPTY(t, input, "cat"); r.status != 0 || r.out != want || r.errOut != "" {
			t.Errorf("%d bytes: %d, %.100q, %q", len(input), r.status, r.out, r.errOut)
		}
	}
	cmd := spawnCmd(t, "--pty", "sh", "-c", "read x; echo end")
	cmd.Args, cmd.Path = append([]string{"sh", "-c", `exec -a spawn "$0" "$@" <&-`, cmd.Path}, cmd.Args[1:]...), "/bin/sh"
	if bash, err := exec.LookPath("bash"); err == nil {
		cmd.Path = bash
		if r := finish(t, cmd); r.out != "end\r\n" {
			t.Errorf("without standard input: %+v", r)
		}
	}
}

func TestPTYBesideOtherFlags(t *testing.T) {
	t.Parallel()
	for _, flags := range [][]string{{"--setpgid", "0"}, {"--setpgid", "0", "--foreground"}, {"--ctty", "0"}, {"--detach-tty"}} {
		if got := fails(t, statusError, append(append([]string{"--pty"}, flags...), "true")...); !strings.Contains(got, "--pty: contradicts --") {
			t.Errorf("%q", got)
		}
	}
	if r := withPTY(t, "", "--stdout", "/dev/null", "sh", "-c", "test -t 0 || echo 0 >&2; test -t 1 && echo 1 >&2; test -t 2 && echo 2 >&2"); r.out != "2\r\n" {
		t.Errorf("%+v", r)
	}
	if r := withPTY(t, "", "--stderr", "stdout", "--setsid", "sh", "-c", "test -t 2 && echo 2 >&2"); r.out != "2\r\n" || r.status != 0 {
		t.Errorf("%+v", r)
	}
	if r := inTime(t, "--pty", "sh", "-c", "echo ready; exec sleep 600"); r.status != statusTimeout || r.out != "\r\n" {
		t.Errorf("%+v", r)
	}
	if r := withPTY(t, "", "--tree", "sh", "-c", "trap '' HUP; sleep 600 & exit 3"); r.status != 3 {
		t.Errorf("%+v", r)
	}
	if r := withPTY(t, "", "sh", "-c", "trap '' HUP; yes & exit 3"); r.status != 3 {
		t.Errorf("beside one who writes on: %d, %q", r.status, r.errOut)
	}
	if r := withPTY(t, "", "--explain", "true"); r.status != 0 || !strings.Contains(r.out, "TIOCSCTTY") && hasEngine() {
		t.Errorf("%+v", r)
	}
	if r := withPTY(t, "", "no-such-program"); r.status != statusNotFound {
		t.Errorf("%+v", r)
	}
}

// TestPTYWithoutReader wants the program to be hung up when nobody reads its output.
func TestPTYWithoutReader(t *testing.T) {
	t.Parallel()
	testenv.OpenPTY(t)
	cmd := spawnCmd(t, "--pty", "yes")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = w, &errOut
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	_, _ = io.ReadFull(r, make([]byte, 10))
	r.Close()
	_ = cmd.Wait()
	if got := shellStatus(cmd.ProcessState); got != statusSignal+int(syscall.SIGHUP) || errOut.Len() > 0 {
		t.Errorf("%d, %q", got, &errOut)
	}
}

// outer is a terminal with spawn --pty in its foreground.
type outer struct {
	master, tty *os.File
	before      unix.Termios
}

func modesOf(t *testing.T, tty *os.File) (modes unix.Termios) {
	t.Helper()
	testenv.Control(t, tty, func(fd int) error {
		m, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err == nil {
			modes = *m
		}
		return err
	})
	return modes
}

// inTerminal starts a command in a terminal of 33 lines and 77 columns.
func inTerminal(t *testing.T, cmd *exec.Cmd) *outer {
	t.Helper()
	master, tty := openPTY(t)
	o := &outer{master: master, tty: tty, before: modesOf(t, tty)}
	o.resize(t, 33, 77)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	return o
}

func (o *outer) resize(t *testing.T, rows, cols uint16) {
	t.Helper()
	testenv.Control(t, o.master, func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
	})
}

func (o *outer) awaitRaw(t *testing.T) {
	t.Helper()
	testenv.Eventually(t, "a raw terminal", func() bool { return modesOf(t, o.tty).Lflag&(unix.ICANON|unix.ISIG) == 0 })
}

// restored wants the terminal's modes to be what they were.
func (o *outer) restored(t *testing.T, when string) {
	t.Helper()
	if now := modesOf(t, o.tty); !reflect.DeepEqual(now, o.before) {
		t.Errorf("%s: modes %+v, want %+v", when, now, o.before)
	}
}

// TestPTYInTerminal wants keys, sizes and signals to reach the program, and the terminal to
// be as it was afterwards.
func TestPTYInTerminal(t *testing.T) {
	t.Parallel()
	cmd := spawnCmd(t, "--pty", testenv.Self(t), as("signals"))
	o := inTerminal(t, cmd)
	s := begin(t, cmd, o.master)
	o.awaitRaw(t)
	if _, err := o.master.Write([]byte{3}); err != nil {
		t.Fatal(err)
	}
	s.expect(syscall.SIGINT)
	o.resize(t, 44, 88)
	s.expect(syscall.SIGWINCH)
	s.send(syscall.SIGHUP)
	s.expect(syscall.SIGHUP)
	s.end()
	o.restored(t, "after the end")
}

// TestPTYSizeAndModes wants those of the terminal of spawn, whose output goes elsewhere.
func TestPTYSizeAndModes(t *testing.T) {
	t.Parallel()
	cmd := spawnCmd(t, "--pty", "sh", "-c", "stty size; stty -a | tr ' ;' '\\n\\n' | grep -x -- -echo")
	o := inTerminal(t, cmd)
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil || out.String() != "33 77\r\n-echo\r\n" {
		t.Errorf("%v, %q", err, &out)
	}
	o.restored(t, "after the end")
}

// TestPTYRestores has other ends than that of a program.
func TestPTYRestores(t *testing.T) {
	t.Parallel()
	for _, line := range [][]string{
		{"--pty", "no-such-program"},
		{"--pty", "--chdir", "/nonexistent", "true"},
		{"--pty", "sh", "-c", "kill -9 $$"},
		{"--pty", "--timeout", "0.1", "sleep", "600"},
		{as("screen panics")},
	} {
		cmd := spawnCmd(t, line...)
		if len(line) == 1 {
			cmd.Args = append([]string{testenv.Self(t)}, line...)
		}
		o := inTerminal(t, cmd)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.Copy(io.Discard, o.master) }() // until it is closed
		if cmd.Wait() == nil {
			t.Errorf("%q: a success", line)
		}
		o.restored(t, fmt.Sprint(line))
	}
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP} {
		cmd := spawnCmd(t, "--pty", "sleep", "600")
		o := inTerminal(t, cmd)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		o.awaitRaw(t)
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if got := shellStatus(cmd.ProcessState); got != statusSignal+int(sig) {
			t.Errorf("%v: status %d", sig, got)
		}
		o.restored(t, sig.String())
	}
}

// TestPTYStops wants the terminal to be the shell's while spawn is stopped.
func TestPTYStops(t *testing.T) {
	t.Parallel()
	cmd := spawnCmd(t, "--pty", testenv.Self(t), as("signals"))
	o := inTerminal(t, cmd)
	s := begin(t, cmd, o.master)
	for range 2 {
		o.awaitRaw(t)
		s.send(syscall.SIGTSTP)
		testenv.Eventually(t, "spawn to be stopped", func() bool {
			return stoppedStat.MatchString(readFile(t, fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid)))
		})
		o.restored(t, "while it is stopped")
		s.send(syscall.SIGCONT)
	}
	o.awaitRaw(t)
	s.expect()
	s.end()
	o.restored(t, "after the end")
}

// TestPTYFullInTerminal wants ^C to end spawn though nobody takes the last output.
func TestPTYFullInTerminal(t *testing.T) {
	t.Parallel()
	r, w := fullPipe(t)
	defer r.Close()
	defer w.Close()
	cmd := spawnCmd(t, "--pty", "--stderr", "pid", "sh", "-c", "echo output; echo $$ >&2; kill -INT $$")
	o := inTerminal(t, cmd)
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "the program to end", func() bool {
		text, _ := os.ReadFile(filepath.Join(cmd.Dir, "pid")) // it may not be there yet
		var pid int
		n, _ := fmt.Sscanln(string(text), &pid)
		return n == 1 && testenv.IsOver(pid)
	})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // the state tells
	}()
	testenv.Eventually(t, "spawn to end by ^C", func() bool {
		_, _ = o.master.Write([]byte{3}) // those in the first second do nothing
		select {
		case <-ended:
			return true
		default:
			return false
		}
	})
	if got := shellStatus(cmd.ProcessState); got != statusSignal+int(syscall.SIGINT) {
		t.Errorf("status %d", got)
	}
	o.restored(t, "after the end")
}

// TestPTYFull wants a signal to end spawn though nobody takes the last output.
func TestPTYFull(t *testing.T) {
	t.Parallel()
	testenv.OpenPTY(t)
	r, w, err := os.Pipe() // which is full soon
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, flags := range [][]string{nil, {"--timeout", "0.1"}} {
		cmd := spawnCmd(t, append(flags, "--pty", "yes")...)
		cmd.Stdout = w
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = cmd.Wait() // the state tells
		}()
		for over := false; !over; {
			if flags == nil {
				_ = cmd.Process.Signal(syscall.SIGTERM) // the first ends the program, another one spawn
			}
			select {
			case <-ended:
				over = true
			case <-time.After(20 * time.Millisecond):
			}
		}
		want := statusTimeout
		if flags == nil {
			want = statusSignal + int(syscall.SIGTERM)
		}
		if got := shellStatus(cmd.ProcessState); got != want {
			t.Errorf("%q: status %d", flags, got)
		}
	}
	w.Close()
}

// TestPTYKeepsIgnored wants the program to ignore what the caller ignores, with a terminal of
// its own, too.
func TestPTYKeepsIgnored(t *testing.T) {
	testenv.OpenPTY(t) // or the test is skipped
	bash, err := exec.LookPath("bash")
	if err != nil {
		testenv.Skip(t, "no bash")
	}
	cmd := spawnCmd(t)
	cmd.Path = bash
	cmd.Args = []string{"bash", "-c", `trap '' TSTP; exec -a spawn "$0" "$@"`, testenv.Self(t), "--pty", "cat", "/proc/self/status"}
	ignored, err := strconv.ParseUint(fields(ok(t, cmd))["SigIgn"], 16, 64)
	if err != nil || ignored&(1<<(unix.SIGTSTP-1)) == 0 {
		t.Errorf("%x, %v", ignored, err)
	}
}
