//go:build unix

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/safespawn/spawn/internal/testenv"
)

// session is a run of spawn whose program prints the signals that it gets.
type session struct {
	t     *testing.T
	cmd   *exec.Cmd
	pid   int // the program's
	spawn int // its pid, also where a shell has started it
	lines chan string
}

// begin starts it; the program's output comes from r.
func begin(t *testing.T, cmd *exec.Cmd, r io.ReadCloser) *session {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &session{t: t, cmd: cmd, lines: make(chan string, 100)}
	go func() {
		defer close(s.lines)
		defer r.Close()
		for in := bufio.NewScanner(r); in.Scan(); {
			s.lines <- strings.TrimPrefix(strings.TrimRight(in.Text(), "\r"), "^C")
		}
	}()
	line := s.next()
	if _, err := fmt.Sscanf(line, "ready %d %d", &s.pid, &s.spawn); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	if s.spawn == 1 { // numbers of a pid namespace
		s.pid, s.spawn = cmd.Process.Pid, cmd.Process.Pid
	}
	t.Cleanup(func() {
		if t.Failed() {
			_ = syscall.Kill(s.pid, syscall.SIGKILL) // it may be left
		}
	})
	return s
}

func (s *session) next() string {
	s.t.Helper()
	select {
	case line, open := <-s.lines:
		if !open {
			_ = s.cmd.Wait()
			s.t.Fatalf("output ended; spawn: %v, %v", s.cmd.ProcessState, s.cmd.Stderr)
		}
		return line
	case <-time.After(testenv.Patience):
		s.t.Fatal("no output")
	}
	return ""
}

// expect sends USR1 after something else and checks that the program has got
// the signals given and then, as the next thing, USR1.
func (s *session) expect(signals ...syscall.Signal) {
	s.t.Helper()
	for _, sig := range signals {
		if line := s.next(); line != sig.String() {
			s.t.Fatalf("got %q, want %q", line, sig)
		}
	}
	s.send(syscall.SIGUSR1)
	if line := s.next(); line != syscall.SIGUSR1.String() {
		s.t.Fatalf("got %q after %v, want USR1", line, signals)
	}
}

func (s *session) send(sig syscall.Signal) {
	s.t.Helper()
	if err := syscall.Kill(s.spawn, sig); err != nil {
		s.t.Fatal(err)
	}
}

// end ends the program by SIGTERM.
func (s *session) end() {
	s.t.Helper()
	s.send(syscall.SIGTERM)
	if line := s.next(); line != syscall.SIGTERM.String() {
		s.t.Errorf("got %q, want SIGTERM", line)
	}
	_ = s.cmd.Wait()
	if got := s.cmd.ProcessState.ExitCode(); got != 7 {
		s.t.Errorf("exit status %d, want 7", got)
	}
}

// Without a terminal all signals are passed on.
func TestSignalsArePassedOn(t *testing.T) {
	for _, flags := range [][]string{nil, {"--setsid"}} {
		cmd := spawnCmd(t, append(flags, testenv.Self(t), as("signals"))...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		cmd.Stderr = new(bytes.Buffer)
		r, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		s := begin(t, cmd, r)
		for _, sig := range []syscall.Signal{
			syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGUSR2, syscall.SIGWINCH,
		} {
			s.send(sig)
			s.expect(sig)
		}
		s.end()
	}
}

// A terminal sends its signals to the program itself, but not into a new session
// or a group in the background.
func TestSignalsOfTerminal(t *testing.T) {
	lines := [][]string{nil, {"--setsid"}, {"--setpgid", "0"}}
	if hasEngine() {
		lines = append(lines, []string{"--setpgid", "0", "--foreground"})
	}
	for _, flags := range lines {
		t.Run(fmt.Sprint(flags), func(t *testing.T) { signalsOfTerminal(t, flags) })
	}
}

// signalsOfTerminal wants each ^C to be one INT.
func signalsOfTerminal(t *testing.T, flags []string) {
	master, slave := openPTY(t)
	cmd := spawnCmd(t, append(flags, testenv.Self(t), as("signals"))...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	s := begin(t, cmd, master)
	slave.Close()
	for range 10 {
		if _, err := master.Write([]byte{3}); err != nil {
			t.Fatal(err)
		}
		s.expect(syscall.SIGINT)
	}
	s.end()
}

// In the background of a terminal signals can't be those of the terminal.
func TestSignalsInBackground(t *testing.T) {
	link := filepath.Join(t.TempDir(), "spawn")
	if err := os.Symlink(testenv.Self(t), link); err != nil {
		t.Fatal(err)
	}
	master, slave := openPTY(t)
	cmd := spawnCmd(t)
	cmd.Path = "/bin/sh"
	cmd.Args = []string{"sh", "-m", "-c", `"$0" "$1" helper:signals & wait $!`, link, testenv.Self(t)}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	s := begin(t, cmd, master)
	slave.Close()
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGWINCH} {
		s.send(sig)
		s.expect(sig)
	}
	s.end()
}

// The terminal is not taken from those in the foreground.
func TestForegroundFromBackground(t *testing.T) {
	needEngine(t, "--setpgid", "0", "--foreground")
	link := filepath.Join(t.TempDir(), "spawn")
	if err := os.Symlink(testenv.Self(t), link); err != nil {
		t.Fatal(err)
	}
	master, slave := openPTY(t)
	defer master.Close()
	cmd := spawnCmd(t)
	cmd.Path = "/bin/sh"
	cmd.Args = []string{"sh", "-m", "-c", `"$0" --setpgid 0 --foreground true & wait $!`, link}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	_ = cmd.Run()
	slave.Close()
	if got := cmd.ProcessState.ExitCode(); got != statusError {
		t.Errorf("status %d", got)
	}
}

// What the caller ignores stays ignored.
func TestNohup(t *testing.T) {
	const inner = `kill -HUP $$; kill -INT $$; echo alive`
	cmd := spawnCmd(t)
	cmd.Args = []string{"sh", "-c", `trap '' HUP INT; exec -a spawn "$0" "$@"`, testenv.Self(t), "sh", "-c", inner}
	path, err := exec.LookPath("bash")
	if err != nil {
		testenv.Skip(t, "no bash")
	}
	cmd.Path = path
	if got := ok(t, cmd); got != "alive\n" {
		t.Errorf("got %q", got)
	}
	if r := try(t, "sh", "-c", inner); r.status != statusSignal+1 || r.out != "" {
		t.Errorf("where nothing is ignored: %+v", r)
	}
}

// Spawn ends by the signal that has ended the program.
func TestEndsBySameSignal(t *testing.T) {
	signals := []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}
	if runtime.GOOS == "linux" {
		signals = append(signals, syscall.SIGKILL, syscall.SIGQUIT, syscall.SIGSEGV, syscall.SIGABRT, syscall.SIGUSR1, syscall.SIGPIPE, syscall.SIGPROF, 40)
	}
	for _, sig := range signals {
		cmd := spawnCmd(t, "sh", "-c", fmt.Sprintf("kill -%d $$", int(sig)))
		var errOut bytes.Buffer
		cmd.Stderr = &errOut
		_ = cmd.Run() // it ends by a signal
		w := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if !w.Signaled() || w.Signal() != sig || w.CoreDump() || errOut.Len() > 0 {
			t.Errorf("signal %v: %v, %q", sig, cmd.ProcessState, &errOut)
		}
	}
}

// One ^C ends a script.
func TestScriptNeedsOneInterrupt(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		testenv.Skip(t, "no bash")
	}
	link := filepath.Join(t.TempDir(), "spawn")
	if err := os.Symlink(testenv.Self(t), link); err != nil {
		t.Fatal(err)
	}
	master, slave := openPTY(t)
	cmd := spawnCmd(t)
	cmd.Path = bash
	cmd.Args = []string{"bash", "-c", `"$0" sh -c 'echo ready $$ $PPID; exec sleep 600'; echo the script goes on`, link}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	s := begin(t, cmd, master)
	slave.Close()
	if _, err := master.Write([]byte{3}); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if got := shellStatus(cmd.ProcessState); got != statusSignal+int(syscall.SIGINT) {
		t.Errorf("the script ends with %d", got)
	}
	for line := range s.lines {
		if line != "" {
			t.Errorf("got %q", line)
		}
	}
}
