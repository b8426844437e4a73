package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/testenv"
)

// bashCompletion is where the package bash-completion is.
const bashCompletion = "/usr/share/bash-completion/bash_completion"

// TestCompletionInShells has shells complete hostile lines on a terminal. Nothing is run
// or overwritten, and a file whose name is a command is what it is.
func TestCompletionInShells(t *testing.T) {
	for name, s := range map[string]struct {
		args  []string
		setup string
	}{
		"bash":            {[]string{"bash", "--norc", "--noprofile", "-i"}, "source <(spawn --completion bash)"},
		"bash-completion": {[]string{"bash", "--norc", "--noprofile", "-i"}, "source " + bashCompletion + "; source <(spawn --completion bash)"},
		"zsh":             {[]string{"zsh", "-f", "-i"}, "autoload -U compinit; compinit -u -D; source <(spawn --completion zsh)"},
		"fish":            {[]string{"fish", "--no-config", "-i"}, "spawn --completion fish | source"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(s.args[0]); err != nil {
				testenv.Skip(t, "no "+s.args[0])
			}
			if _, err := os.Stat(bashCompletion); name == "bash-completion" && err != nil {
				testenv.Skip(t, "no bash-completion")
			}
			if name == "fish" {
				testenv.NeedCThreads(t)
			}
			completeHostile(t, s.args, s.setup)
		})
	}
}

func completeHostile(t *testing.T, args []string, setup string) {
	sh := startShell(t, args)
	important := writeFile(t, filepath.Join(sh.dir, "important.txt"), "as it was", 0o644)
	writeFile(t, filepath.Join(sh.dir, "my file"), "of my file\n", 0o644)
	writeFile(t, filepath.Join(sh.dir, "$(touch typed)"), "of a command\n", 0o644)
	if err := os.Mkdir(filepath.Join(sh.dir, "dir`touch typed`"), 0o755); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if got := readFile(t, important); got != "as it was" {
			t.Errorf("a completion wrote %q", got)
		}
		if _, err := os.Stat(filepath.Join(sh.dir, "typed")); err == nil {
			t.Error("a completion ran what was typed")
		}
	}()
	sh.run(setup)
	for _, line := range []string{
		"spawn --umask 027 > important.txt --ni",
		"spawn --umask 027 >important.txt --ni",
		"spawn --env 'A=$(touch typed)' --ni",
		"spawn --env \"A=$(touch typed)\" --ni",
		"spawn --env A=`touch typed` --ni",
		"spawn --env A=$(touch typed) --ni",
		"spawn --env $(touch typed",
		"spawn --env \"`touch typed",
		"spawn --env ${A:=$(touch typed)} --ni",
		"spawn --env '; touch typed; --ni",
		"spawn '--$(touch typed)",
		"spawn ; touch typed; spawn --ni",
		"spawn --stdin \\$\\(tou",
		"spawn --chdir di",
		"$(touch typed)/spawn --ni",
	} {
		sh.write(line + "\t\x15")
		sh.sync()
	}
	sh.write("spawn --stdi\tmy\tcat\r")
	sh.want("\nof my file")
	sh.write("spawn --stdin=\\$\tcat\r")
	sh.want("\nof a command")
	if !hasEngine() { // which limits need
		return
	}
	sh.write("spawn --rlimit nofi\t9 /bin/sh -c 'echo limit $(ulimit -n) files'\r")
	sh.want("\nlimit 9 files")
}

// shell is a shell on a terminal.
type shell struct {
	t      *testing.T
	dir    string
	master *os.File
	marks  int

	mu  sync.Mutex
	out []byte
}

func startShell(t *testing.T, args []string) *shell {
	master, terminal := testenv.OpenPTY(t)
	sh := &shell{t: t, dir: t.TempDir(), master: master}
	bin := t.TempDir()
	if err := os.Symlink(testenv.Self(t), filepath.Join(bin, "spawn")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = sh.dir
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+sh.dir, "TERM=dumb", "HISTFILE=")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	terminal.Close()
	var reader sync.WaitGroup
	reader.Go(sh.read)
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		reader.Wait()
	})
	sh.sync()
	return sh
}

// read keeps all output.
func (sh *shell) read() {
	b := make([]byte, 4096)
	for {
		n, err := sh.master.Read(b)
		sh.mu.Lock()
		sh.out = append(sh.out, b[:n]...)
		sh.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (sh *shell) write(s string) {
	sh.t.Helper()
	if _, err := sh.master.WriteString(s); err != nil {
		sh.t.Fatal(err)
	}
}

// want waits for output.
func (sh *shell) want(text string) {
	sh.t.Helper()
	defer func() {
		if sh.t.Failed() {
			sh.mu.Lock()
			defer sh.mu.Unlock()
			sh.t.Logf("no %q in %q", text, sh.out)
		}
	}()
	testenv.Eventually(sh.t, text, func() bool {
		sh.mu.Lock()
		defer sh.mu.Unlock()
		return bytes.Contains(sh.out, []byte(text))
	})
}

func (sh *shell) run(line string) {
	sh.t.Helper()
	sh.write(line + "\r")
	sh.sync()
}

// sync waits until the shell has read all that was written, and edits a line again: before,
// the terminal itself would take the keys.
func (sh *shell) sync() {
	sh.t.Helper()
	sh.marks++
	sh.write(fmt.Sprintf("echo mar''ker%d.\r", sh.marks))
	sh.want(fmt.Sprintf("marker%d.", sh.marks))
	testenv.Eventually(sh.t, "a prompt", func() (edits bool) {
		err := testenv.OnDescriptor(sh.master, func(fd int) error {
			modes, err := unix.IoctlGetTermios(fd, unix.TCGETS)
			edits = err == nil && modes.Lflag&unix.ICANON == 0
			return err
		})
		if err != nil {
			sh.t.Fatal(err)
		}
		return edits
	})
}
