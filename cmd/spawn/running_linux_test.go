package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/safespawn/spawn/internal/testenv"
)

func TestPidfile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	for range 2 { // there is nothing in the way after the first
		lines := strings.Fields(must(t, "--pidfile", file, "sh", "-c", `until [ -s "$0" ]; do :; done; cat "$0"; echo $$`, file))
		if len(lines) != 2 || lines[0] != lines[1] {
			t.Errorf("got %q", lines)
		}
		if _, err := os.Lstat(file); !os.IsNotExist(err) {
			t.Errorf("it is left: %v", err)
		}
	}
	fails(t, statusError, "--pidfile", filepath.Join(file, "none"), "true")
	target := writeFile(t, file+".target", "text", 0o644)
	if err := os.Symlink(target, file+".link"); err != nil {
		t.Fatal(err)
	}
	fails(t, statusError, "--pidfile", file+".link", "true")
	if readFile(t, target) != "text" {
		t.Error("the target of a link was written to")
	}
	if r := try(t, "--pidfile", file, "/nonexistent/program"); r.status != statusNotFound {
		t.Errorf("got %+v", r)
	}
	if _, err := os.Lstat(file); !os.IsNotExist(err) {
		t.Errorf("left by a program that did not start: %v", err)
	}
}

// TestPidfileIsOne wants files that are none of pids, and those of others, to be left as they
// are, and the program not to run.
func TestPidfileIsOne(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	for _, text := range []string{"text\n", " 1\n", "1\n2\n", "1\x00", "-1\n", "\n", "0x1\n", "12345678901\n"} {
		writeFile(t, file, text, 0o644)
		fails(t, statusError, "--pidfile", file, "echo", "ran")
		if got := readFile(t, file); got != text {
			t.Errorf("%q has become %q", text, got)
		}
	}
	for _, text := range []string{"", "1\n", "4194304", "4294967295\n"} {
		writeFile(t, file, text, 0o644)
		if got := must(t, "--pidfile", file, "echo", "ran"); got != "ran\n" {
			t.Errorf("%q: %q", text, got)
		}
	}
	fifo := file + ".fifo"
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, os.DevNull, t.TempDir()} {
		fails(t, statusError, "--pidfile", path, "true")
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("it was removed: %v", err)
		}
	}
}

// TestPidfileOfTwoNames wants a file to be left as it is that has another name, too: it is
// something else there.
func TestPidfileOfTwoNames(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	for _, text := range []string{"", "1\n"} {
		writeFile(t, file, text, 0o644)
		if err := os.Link(file, file+".other"); err != nil {
			t.Fatal(err)
		}
		fails(t, statusError, "--pidfile", file, "echo", "ran")
		for _, name := range []string{file, file + ".other"} {
			if got := readFile(t, name); got != text {
				t.Errorf("%q has become %q", text, got)
			}
		}
		if err := os.Remove(file + ".other"); err != nil {
			t.Fatal(err)
		}
		must(t, "--pidfile", file, "true")
	}
}

// TestPidfileNeverTheSame has a file system where a file is another one each time.
func TestPidfileNeverTheSame(t *testing.T) {
	sameFile = func(os.FileInfo, os.FileInfo) bool { return false }
	defer func() { sameFile = os.SameFile }()
	before := testenv.Settled()
	if _, err := makePidFile(filepath.Join(t.TempDir(), "pid")); err == nil {
		t.Error("no error")
	}
	testenv.CheckFDs(t, before)
}

// TestPidfileOfUser wants no pid in a file that another user can change.
func TestPidfileOfUser(t *testing.T) {
	testenv.NeedRoot(t)
	file := writeFile(t, filepath.Join(t.TempDir(), "pid"), "1\n", 0o644)
	if err := os.Chown(file, 54321, 0); err != nil {
		testenv.Skip(t, "no other users here")
	}
	fails(t, statusError, "--pidfile", file, "true")
	if got := readFile(t, file); got != "1\n" {
		t.Errorf("%q", got)
	}
}

// The file of a spawn that lives is not taken; that of one that was killed is.
func TestPidfileOfOthers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	end, err := os.OpenFile(fifo, os.O_RDWR, 0) // the program ends with it
	if err != nil {
		t.Fatal(err)
	}
	cmd := spawnCmd(t, "--pidfile", file, "cat", fifo)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "a pid", func() bool { b, _ := os.ReadFile(file); return len(b) > 0 })
	if got := fails(t, statusError, "--pidfile", file, "true"); !strings.Contains(got, "another spawn's") {
		t.Errorf("got %q", got)
	}
	if readFile(t, file) == "" {
		t.Error("the file of another spawn was emptied")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	must(t, "--pidfile", file, "true")
	end.Close()
}

// TestTerminalGoesAway closes the window of a spawn that leads the session there.
func TestTerminalGoesAway(t *testing.T) {
	master, slave := openPTY(t)
	file := filepath.Join(t.TempDir(), "pid")
	cmd := spawnCmd(t, "--pidfile", file, "sleep", "600")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	testenv.Eventually(t, "a pid", func() bool { b, _ := os.ReadFile(file); return len(b) > 0 })
	master.Close()
	_ = cmd.Wait() // by a signal
	if got := shellStatus(cmd.ProcessState); got != statusSignal+int(syscall.SIGHUP) {
		t.Errorf("%v", cmd.ProcessState)
	}
	if _, err := os.Lstat(file); !os.IsNotExist(err) {
		t.Errorf("it is left: %v", err)
	}
}

func TestProgress(t *testing.T) {
	master, slave := openPTY(t)
	cmd := spawnCmd(t, "--progress", "sleep", "1.5")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	out, _ := io.ReadAll(master) // a terminal that nobody has ends with an error
	_ = cmd.Wait()
	if cmd.ProcessState.ExitCode() != 0 || !strings.HasPrefix(string(out), clearLine+"sleep: 1s") || !strings.HasSuffix(string(out), clearLine) {
		t.Errorf("%v; %q", cmd.ProcessState, out)
	}
	if r := try(t, "--progress", "sleep", "1.1"); r.errOut != "" {
		t.Errorf("where there is no terminal: %q", r.errOut)
	}
}
