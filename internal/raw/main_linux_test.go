//go:build amd64 || arm64

package raw

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/tiny"
)

// The test binary is its own helper: started with "helper:NAME" as argv[0], it
// runs the function under NAME instead of the tests. The result is the status.
const helperPrefix = "helper:"

var helpers = map[string]func(args []string) int{
	"storm":    storm,
	"openFIFO": openFIFO,
}

// helperCommand runs a helper in a process group of its own.
func helperCommand(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	if helpers[name] == nil {
		t.Fatalf("no helper %q", name)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &exec.Cmd{
		Path: exe, Args: append([]string{helperPrefix + name}, args...), Stderr: os.Stderr,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}
}

func TestMain(m *testing.M) {
	if name, ok := strings.CutPrefix(os.Args[0], helperPrefix); ok {
		os.Exit(helpers[name](os.Args[1:]))
	}
	flag.Parse()
	before := openFDs()
	code := m.Run()
	if code == 0 {
		code = checkAfter(before)
	}
	os.Exit(code)
}

// checkAfter finds what the tests left behind.
func checkAfter(before map[string]string) (code int) {
	report := func(x any) {
		fmt.Fprintln(os.Stderr, "left behind:", x)
		code = 1
	}
	if err := goleak.Find(); err != nil {
		report(err)
	}
	for fd, target := range openFDs() {
		if before[fd] != target {
			report("fd " + fd + " " + target)
		}
	}
	if err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil); err != unix.ECHILD {
		report("a child")
	}
	return code
}

// openFDs is what is open, by number, but for what the runtime keeps.
func openFDs() map[string]string {
	fds := map[string]string{}
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && !strings.HasPrefix(target, "anon_inode:[event") {
			fds[e.Name()] = target
		}
	}
	return fds
}

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
	case <-time.After(20 * time.Second):
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

// skip is the one place where tests are skipped.
func skip(t testing.TB, reason string) {
	t.Helper()
	t.Skip("SKIPPED: " + reason)
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
	res, err := finish(r, Clone{Flags: vfork, ErrFD: -1})
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
	if errno := Waitid(unix.P_PID, pid, unix.WEXITED, &x); errno != 0 {
		return res, fmt.Errorf("waitid: %w", errno)
	}
	if fd := r.Pidfd(); fd >= 0 {
		_ = unix.Close(fd)
	}
	res.status, res.usage = x.Status, x.Usage
	res.step, res.errno, res.failed = r.Failure()
	res.vars = append(res.vars, r.storage...)
	return res, nil
}
