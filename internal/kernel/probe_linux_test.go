//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package kernel

import (
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/raw"
	"github.com/safespawn/spawn/internal/testenv"
)

// TestUnmarked wants a child that has had an execve to be told from one that has not, as soon
// as it has ended, and nothing to be said of other processes.
func TestUnmarked(t *testing.T) {
	if !OurIDs() {
		testenv.Skip(t, "/proc is not of this pid namespace")
	}
	const moment = time.Millisecond
	for range 100 { // vfork may end before the child does
		pid := endingChild(t)
		if unmarked(pid, testenv.Patience) {
			t.Error("a child of clone counts as one that has had an execve")
		}
		if !probeWait(unix.P_PID, pid) {
			t.Error("it is gone")
		}
	}

	cmd := exec.Command("/bin/cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	if unmarked(pid, moment) {
		t.Error("a process that lives counts")
	}
	time.AfterFunc(10*moment, func() { in.Close() })
	if !unmarked(pid, testenv.Patience) {
		t.Error("a program does not count, once it is a zombie")
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if unmarked(pid, moment) || unmarked(1, moment) {
		t.Error("another process counts")
	}
}

// endingChild makes a child that does nothing. It has ended, or is about to.
func endingChild(t *testing.T) (pid int) {
	t.Helper()
	var b raw.Builder
	b.Step(raw.Step{Name: "end", Index: -1})
	b.Call(0, raw.ExitGroup, raw.Int(0))
	r := raw.NewRun(b.Build())
	defer r.Free()
	pid, errno := r.Start(raw.Clone{Flags: unix.CLONE_VM | unix.CLONE_VFORK, Legacy: true, ErrFD: -1})
	if errno != 0 {
		t.Fatal(errno)
	}
	return pid
}
