package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/safespawn/spawn"
)

// startedSaying starts a command, and reads a line of what it says.
func startedSaying(t *testing.T, cmd *exec.Cmd) *bufio.Reader {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(out)
	if _, err := in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return in
}

// TestKilledWithProgram kills spawn by KILL, which it can't pass on. With --die-with-parent
// nothing of the program is left: all of it has standard output open.
func TestKilledWithProgram(t *testing.T) {
	needEngine(t, "--die-with-parent")
	script := "echo $PPID; exec sleep 600"
	all := spawn.Features().Has(spawn.FeatureDieWithParent)
	if os.Geteuid() == 0 { // then the feature only says what nothing but a filter can be against
		all = all && try(t, "--new", "pid", "true").status == 0
	}
	if all {
		script = "sleep 600 & setsid sh -c 'sleep 600 & echo ready; exec sleep 600' & " + script
	}
	cmd := spawnCmd(t, "--die-with-parent", "sh", "-c", script)
	in := startedSaying(t, cmd)
	if all {
		if _, err := in.ReadString('\n'); err != nil { // of the other one
			t.Fatal(err)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(in); len(rest) > 0 || err != nil { // it ends when nobody is left
		t.Errorf("%q, %v", rest, err)
	}
	_ = cmd.Wait()
	if got := shellStatus(cmd.ProcessState); got != statusSignal+int(syscall.SIGKILL) {
		t.Errorf("status %d", got)
	}
}

// TestKilledWithoutProgram is what the flag is for: without it the program lives on.
func TestKilledWithoutProgram(t *testing.T) {
	cmd := spawnCmd(t, "sh", "-c", "echo $$; read x; echo alive")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	in := startedSaying(t, cmd)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := cmd.Process.Wait(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(stdin)
	if rest, err := io.ReadAll(in); string(rest) != "alive\n" || err != nil {
		t.Errorf("%q, %v", rest, err)
	}
	_ = cmd.Wait() // it was waited for; this closes the pipes
}
