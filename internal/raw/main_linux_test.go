//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

package raw

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/tiny"
)

func TestMain(m *testing.M) { testenv.Main(m, testenv.Leftovers) }

// helperCommand runs a helper in a process group of its own.
func helperCommand(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	return &exec.Cmd{
		Path: testenv.Self(t), Args: testenv.HelperArgs(name, args...), Stderr: os.Stderr,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}
}

var _ = testenv.RegisterHelper("openFIFO", openFIFO)

// openFIFO is a helper that opens a FIFO for writing when it is sent a byte, or
// when that takes too long: no goroutine of the test would run any more if the
// collector waited for the child.
func openFIFO(args []string) (status int) {
	sent := make(chan struct{})
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1))
		close(sent)
	}()
	select {
	case <-sent:
	case <-time.After(testenv.Patience):
		fmt.Fprintln(os.Stderr, "the child had to be released")
		status = 1
	}
	fd, err := unix.Open(args[0], unix.O_WRONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return 1
	}
	_ = unix.Close(fd)
	return status
}

// vfork are the flags of a usual child.
const vfork = unix.CLONE_VM | unix.CLONE_VFORK

// tinyProgram is the path of a program that exits with a status.
func tinyProgram(t testing.TB, status int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tiny")
	if err := tiny.Write(path, status); err != nil {
		t.Fatal(err)
	}
	return path
}

// exec adds the operations that run a program with the parent's signal mask.
func (b *Builder) exec(path string) OpRef {
	b.Step(Step{Name: "sigmask", Index: -1})
	b.Call(254, RtSigprocmask, Int(unix.SIG_SETMASK), b.SavedMask(), Int(0), Int(sigsetSize))
	b.Step(Step{Name: "execve", Index: -1, Object: path})
	return b.Call(255, Execve, b.String(path), b.Strings([]string{path}), b.Strings(nil))
}

// result is what came of one run of a program.
type result struct {
	status syscall.WaitStatus
	usage  syscall.Rusage
	step   Step
	errno  syscall.Errno
	failed bool
	vars   []uint64
}

func (r result) exited(status int) bool {
	return !r.failed && r.status.Exited() && r.status.ExitStatus() == status
}

// perform runs a program with some variables set, and reaps the child.
func perform(t testing.TB, p *Program, vars map[Var]uint64) result {
	t.Helper()
	r := NewRun(p)
	defer r.Free()
	for v, x := range vars {
		r.Set(v, x)
	}
	res, err := finish(r, usable(Clone{Flags: vfork, ErrFD: -1}))
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// finish starts a run and reaps the child.
func finish(r *Run, c Clone) (res result, err error) {
	pid, errno := r.Start(c)
	if errno != 0 {
		return res, fmt.Errorf("clone: %w", errno)
	}
	var x Exit
	options := unix.WEXITED
	if r.prog.relay.there {
		options |= unix.WALL // it may not have come to execve
	}
	if pid != 0 {
		if errno := waitPid(pid, options, &x); errno != 0 {
			return res, fmt.Errorf("waitid: %w", errno)
		}
	}
	for !r.Await(time.Second) || !r.AwaitRelay(time.Second) {
	}
	if fd := r.Pidfd(); fd >= 0 {
		_ = unix.Close(fd)
	}
	res.status, res.usage = x.Status, x.Usage
	res.step, res.errno, res.failed = r.Failure()
	res.vars = append(res.vars, r.storage...)
	return res, nil
}
