//go:build (386 || amd64 || arm64 || loong64 || riscv64) && !android

package kernel

import (
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/raw"
	"github.com/safespawn/spawn/internal/testenv"
)

// TestUnmarked wants a zombie that has had an execve to be told from one that has not, and
// nothing to be said of other processes.
func TestUnmarked(t *testing.T) {
	if !OurIDs() {
		testenv.Skip(t, "/proc is not of this pid namespace")
	}
	var b raw.Builder
	b.Step(raw.Step{Name: "end", Index: -1})
	b.Call(0, raw.ExitGroup, raw.Int(0))
	r := raw.NewRun(b.Build())
	defer r.Free()
	pid, errno := r.Start(raw.Clone{Flags: unix.CLONE_VM | unix.CLONE_VFORK, Legacy: true, ErrFD: -1})
	if errno != 0 {
		t.Fatal(errno)
	}
	if unmarked(pid) {
		t.Error("a child of clone counts as one that has had an execve")
	}
	if !probeWait(unix.P_PID, pid) {
		t.Error("it is gone")
	}

	cmd := exec.Command("/bin/cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if unmarked(cmd.Process.Pid) {
		t.Error("a process that lives counts")
	}
	in.Close()
	if errno := raw.Waitid(unix.P_PID, cmd.Process.Pid, unix.WEXITED|unix.WNOWAIT, new(raw.Exit)); errno != 0 {
		t.Fatal(errno)
	}
	if !unmarked(cmd.Process.Pid) {
		t.Error("a zombie that was a program does not count")
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if unmarked(cmd.Process.Pid) || unmarked(1) {
		t.Error("another process counts")
	}
}
