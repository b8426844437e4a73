//go:build unix

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/safespawn/spawn/internal/testenv"
)

func TestStandardFiles(t *testing.T) {
	cmd := spawnCmd(t, "--stdin", "in", "--stdout", "out", "--stderr", "err", "sh", "-c", "cat; echo bad >&2")
	in := func(name string) string { return filepath.Join(cmd.Dir, name) }
	writeFile(t, in("in"), "hello\n", 0o644)
	writeFile(t, in("out"), "something longer than that\n", 0o644)
	if got := ok(t, cmd); got != "" {
		t.Errorf("standard output: %q", got)
	}
	if got := readFile(t, in("out")) + readFile(t, in("err")); got != "hello\nbad\n" {
		t.Errorf("files: %q", got)
	}
}

func TestAppend(t *testing.T) {
	cmd := spawnCmd(t, "--append", "--stdout", "out", "--stderr", "err", "sh", "-c", "echo new; echo bad >&2")
	out, errOut := filepath.Join(cmd.Dir, "out"), filepath.Join(cmd.Dir, "err")
	writeFile(t, out, "old\n", 0o644)
	writeFile(t, errOut, "old\n", 0o644)
	ok(t, cmd)
	if got := readFile(t, out) + readFile(t, errOut); got != "old\nnew\nold\nbad\n" {
		t.Errorf("files: %q", got)
	}
}

func TestStderrToStdout(t *testing.T) {
	if got := must(t, "--stderr", "stdout", "sh", "-c", "echo a; echo b >&2"); got != "a\nb\n" {
		t.Errorf("got %q", got)
	}
	cmd := spawnCmd(t, "--stderr", "stdout", "--stdout", "out", "sh", "-c", "echo a; echo b >&2; echo c")
	ok(t, cmd)
	if got := readFile(t, filepath.Join(cmd.Dir, "out")); got != "a\nb\nc\n" {
		t.Errorf("got %q", got)
	}
	cmd = spawnCmd(t, "--stderr", "./stdout", "sh", "-c", "echo b >&2")
	ok(t, cmd)
	if got := readFile(t, filepath.Join(cmd.Dir, "stdout")); got != "b\n" {
		t.Errorf("got %q", got)
	}
}

func TestFD(t *testing.T) {
	const script = "cat <&3; echo new >&4; echo app >&5; read -r line <&7; echo \"$line\"; echo rw >&7"
	cmd := spawnCmd(t, "--fd", "3=r:r", "--fd", "4=w:w", "--fd", "5=a:a", "--fd=7=x:y:rw", "sh", "-c", script)
	in := func(name string) string { return filepath.Join(cmd.Dir, name) }
	for name, text := range map[string]string{"r": "read\n", "w": "old and long\n", "a": "old\n", "x:y": "line\n"} {
		writeFile(t, in(name), text, 0o644)
	}
	if got := ok(t, cmd); got != "read\nline\n" {
		t.Errorf("standard output: %q", got)
	}
	if got := readFile(t, in("w")) + readFile(t, in("a")) + readFile(t, in("x:y")); got != "new\nold\napp\nline\nrw\n" {
		t.Errorf("files: %q", got)
	}
	fails(t, statusError, "--fd", "3=nonexistent:r", "true")
}

// The program has what was named and nothing else.
func TestKeepFD(t *testing.T) {
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		testenv.Skip(t, "no /proc")
	}
	list := func(flags ...string) string {
		cmd := spawnCmd(t, append(flags, "ls", "/proc/self/fd")...)
		for range 20 {
			f, err := os.Open("/dev/null")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			cmd.ExtraFiles = append(cmd.ExtraFiles, f)
		}
		words := strings.Fields(ok(t, cmd))
		slices.Sort(words)
		return strings.Join(words, " ")
	}
	if got := list(); got != "0 1 2 3" { // 3 is that of ls
		t.Errorf("without flags: %q", got)
	}
	if got := list("--keep-fd", "7", "--keep-fd", "20"); got != "0 1 2 20 3 7" {
		t.Errorf("with two: %q", got)
	}
	if got := list("--keep-fd", "1", "--fd", "9=/dev/null:r"); got != "0 1 2 3 9" {
		t.Errorf("with 1 and --fd: %q", got)
	}
}

// What the Go runtime has opened for itself can't be handed on.
func TestKeepFDOfRuntime(t *testing.T) {
	for _, fd := range []string{"3", "4", "5", "6", "7", "8"} {
		fails(t, statusError, "--timeout", "1m", "--keep-fd", fd, "true")
	}
}
