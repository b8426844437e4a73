package main

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/safespawn/spawn/internal/testenv"
)

// TestStopped lets the program go by a signal to it, and by one to spawn.
func TestStopped(t *testing.T) {
	needEngine(t, "--subreaper")
	needStopped(t)
	for _, toSpawn := range []bool{false, true} {
		cmd := spawnCmd(t, "--stopped", "sh", "-c", "echo it runs; exit 4")
		var out bytes.Buffer
		cmd.Stdout = &out
		r, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(r).ReadString('\n')
		pid := 0
		if _, e := fmt.Sscanf(line, "spawn: process %d is stopped;", &pid); e != nil {
			t.Fatalf("%q, %v", line, err)
		}
		if state := testenv.StateOf(pid); state != 'T' {
			t.Errorf("it is in state %q", state)
		}
		if toSpawn {
			pid = cmd.Process.Pid
		}
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait()
		if status := cmd.ProcessState.ExitCode(); status != 4 || out.String() != "it runs\n" {
			t.Errorf("to spawn %t: status %d, %q", toSpawn, status, out.String())
		}
	}
}

func TestMemoryFlags(t *testing.T) {
	needEngine(t, "--coredump-filter", "none")
	for list, want := range map[string]string{"none": "00000000\n", "anon-private,elf-headers": "00000011\n", "dax-shared": "00000100\n"} {
		if got := must(t, "--coredump-filter", list, "cat", "/proc/self/coredump_filter"); got != want {
			t.Errorf("%s: %q", list, got)
		}
	}
	fails(t, statusError, "--coredump-filter", "everything", "true")
	if got := statusWith(t, "--no-huge-pages")["THP_enabled"]; got != "0" {
		t.Errorf("huge pages: %q", got)
	}
	for _, flag := range []string{"--deny-write-exec", "--merge-pages"} {
		if r := try(t, flag, "true"); r.status != 0 && !strings.Contains(r.errOut, " (Linux 6.") {
			t.Errorf("%s: %+v", flag, r)
		}
	}
}

// TestLabelFlags wants one line of what is missing. Where a module is active, a
// label that nobody has is refused.
func TestLabelFlags(t *testing.T) {
	needEngine(t, "--subreaper")
	fails(t, statusError, "--selinux-context", "no:such:label:s0", "true")
	fails(t, statusError, "--apparmor-profile", "no such profile", "true")
}

// TestMapHelpers wants the helpers to have been asked, or to be missing.
func TestMapHelpers(t *testing.T) {
	needEngine(t, "--new", "user")
	needNamespaces(t, "user")
	line := fails(t, statusError, "--new", "user", "--uid-map", "0:2147483640:2", "--map-helpers", "true")
	if !strings.Contains(line, "newuidmap") {
		t.Error(line)
	}
}
