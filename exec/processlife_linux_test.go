//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec_test

import (
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// subject is a Cmd of either package.
type subject struct {
	command
	process func() *os.Process
	state   func() *os.ProcessState
}

// subjects makes one of each package, which start the same.
func subjects(name string, args ...string) map[string]subject {
	return subjectsWith(nil, name, args...)
}

func subjectsWith(sys *syscall.SysProcAttr, name string, args ...string) map[string]subject {
	a, b := osexec.Command(name, args...), exec.Command(name, args...)
	a.SysProcAttr, b.SysProcAttr = sys, sys
	return map[string]subject{
		"os/exec": {a, func() *os.Process { return a.Process }, func() *os.ProcessState { return a.ProcessState }},
		"here":    {b, func() *os.Process { return b.Process }, func() *os.ProcessState { return b.ProcessState }},
	}
}

// eachMaking runs a test with processes that are made here, and with those of package
// os.
func eachMaking(t *testing.T, f func(t *testing.T)) {
	t.Run("here", f)
	t.Run("by os", func(t *testing.T) {
		defer exec.ForceForeignOS()()
		f(t)
	})
}

// pidfds is how many there are in this process.
func pidfds() (n int) {
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		target, _ := os.Readlink("/proc/self/fd/" + e.Name())
		if strings.HasPrefix(target, "anon_inode:[pidfd]") || strings.HasPrefix(target, "pidfd:") {
			n++
		}
	}
	return n
}

// settledPidfds counts them when those of earlier tests are closed.
func settledPidfds() int {
	testenv.Settled()
	return pidfds()
}

// TestA12OneHandle wants no more pidfds of children than os/exec has, and none of one
// that was waited for, or released, by way of Process.
func TestA12OneHandle(t *testing.T) { eachMaking(t, oneHandle) }

func oneHandle(t *testing.T) {
	const children = 5
	for end, let := range map[string]func(s subject) error{
		"Process.Wait":    func(s subject) error { _, err := s.process().Wait(); return err },
		"Process.Release": func(s subject) error { return s.process().Release() },
		"Wait":            func(s subject) error { _ = s.Wait(); return nil },
	} {
		counts := map[string][3]int{}
		for _, who := range []string{"os/exec", "here"} {
			var all []subject
			before := settledPidfds()
			for range children {
				s := subjects("/bin/sleep", "1000")[who]
				if err := s.Start(); err != nil {
					t.Fatal(err)
				}
				all = append(all, s)
			}
			alive := pidfds() - before
			waited := make(chan error, children)
			for _, s := range all {
				pid := s.process().Pid
				if end == "Process.Release" {
					waited <- let(s)
					kill(t, pid)
					if _, err := syscall.Wait4(pid, nil, 0, nil); err != nil {
						t.Error(err)
					}
					continue
				}
				go func() { waited <- let(s) }()
			}
			parked := 0
			if end != "Process.Release" {
				for _, s := range all { // whether they are waited for by now or not
					parked = max(parked, pidfds()-before)
					kill(t, s.process().Pid)
				}
			}
			for range children {
				if err := <-waited; err != nil {
					t.Error(err)
				}
			}
			counts[who] = [3]int{alive, min(parked, children), pidfds() - before}
		}
		if counts["here"] != counts["os/exec"] || counts["here"][2] != 0 {
			t.Errorf("%s: %v pidfds while alive, waited for, and afterwards", end, counts)
		}
	}
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}

// TestProcessAsThere does with Process, ProcessState and the pid what users of
// os/exec do, and compares.
func TestProcessAsThere(t *testing.T) { eachMaking(t, processAsThere) }

func processAsThere(t *testing.T) {
	for name, do := range map[string]func(s subject) string{
		"Wait, Process.Wait": func(s subject) string {
			err := s.Wait()
			_, again := s.process().Wait()
			return fmt.Sprint(err, again, s.state())
		},
		"Process.Wait, Wait": func(s subject) string {
			state, err := s.process().Wait()
			return fmt.Sprint(state, err, errors.Is(s.Wait(), syscall.ECHILD), s.state(), s.process().Kill())
		},
		"Process.Wait twice": func(s subject) string {
			state, err := s.process().Wait()
			_, again := s.process().Wait()
			return fmt.Sprint(state, err, again, errors.Is(s.Wait(), syscall.ECHILD))
		},
		"Release, Wait": func(s subject) string {
			pid := s.process().Pid
			err := s.process().Release()
			_, wait := s.process().Wait()
			o := fmt.Sprint(err, wait, s.Wait(), s.state(), s.process().Pid, s.process().Kill(), s.process().Release())
			return o + byPid(pid)
		},
		"Release, WithHandle": func(s subject) string {
			pid := s.process().Pid
			_ = s.process().Release()
			err := s.process().WithHandle(func(uintptr) {})
			return fmt.Sprint(err) + byPid(pid)
		},
		"WithHandle": func(s subject) string {
			var stat unix.Stat_t
			err := s.process().WithHandle(func(h uintptr) {
				fl, _ := unix.FcntlInt(h, unix.F_GETFL, 0)
				fd, _ := unix.FcntlInt(h, unix.F_GETFD, 0)
				stat.Size = int64(fl&unix.O_NONBLOCK | fd)
			})
			wait := s.Wait()
			return fmt.Sprint(err, stat.Size, wait, s.process().WithHandle(func(uintptr) {}))
		},
		"Signal": func(s subject) string {
			o := fmt.Sprint(s.process().Signal(syscall.Signal(0)), s.process().Signal(nil), s.process().Signal(os.Kill))
			err := s.Wait()
			return fmt.Sprint(o, err, s.state(), s.process().Signal(syscall.Signal(0)), s.process().Kill())
		},
		"signal by pid": func(s subject) string {
			_ = syscall.Kill(s.process().Pid, syscall.SIGUSR1)
			return fmt.Sprint(s.Wait())
		},
		"two Processes": func(s subject) string {
			p := s.process()
			wait := s.Wait()
			_, err := p.Wait()
			return fmt.Sprint(wait, err, p.Release())
		},
		"state": func(s subject) string {
			err := s.Wait()
			st := s.state()
			var exit *exec.ExitError
			return fmt.Sprint(err, errors.As(err, &exit), st.Exited(), st.ExitCode(), st.Success(), st.Pid() == s.process().Pid,
				fmt.Sprintf("%T %T", st.Sys(), st.SysUsage()), st.Sys())
		},
	} {
		got := map[string]string{}
		for who, s := range subjects("/bin/sh", "-c", "read x; exit 5") {
			in, err := s.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Start(); err != nil {
				t.Fatal(err)
			}
			if name != "Signal" && name != "signal by pid" {
				in.Close()
			}
			got[who] = do(s)
			in.Close()
			_ = s.process().Release() // where the status was taken, the handle is there until then
		}
		if got["here"] != got["os/exec"] {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// byPid waits as somebody does who knows the pid.
func byPid(pid int) string {
	var status syscall.WaitStatus
	got, err := syscall.Wait4(pid, &status, 0, nil)
	return fmt.Sprint(" ", got == pid, status.ExitStatus(), err)
}

// TestProcessAfterRun looks at what Run leaves.
func TestProcessAfterRun(t *testing.T) { eachMaking(t, processAfterRun) }

func processAfterRun(t *testing.T) {
	got := map[string]string{}
	for who, s := range subjects("/bin/sh", "-c", "exit 5") {
		err := s.Run()
		handle := s.process().WithHandle(func(uintptr) {})
		_, wait := s.process().Wait()
		got[who] = fmt.Sprint(err, handle, wait, s.process().Kill(), s.process().Release(), s.state())
	}
	if got["here"] != got["os/exec"] {
		t.Errorf("%q", got)
	}
}

// TestSIGCHLD comes once for each child.
func TestSIGCHLD(t *testing.T) {
	got := map[string]bool{}
	for who, s := range subjects("/bin/true") {
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGCHLD)
		err := s.Run()
		testenv.Await(t, "SIGCHLD", c)
		signal.Stop(c)
		got[who] = err == nil
	}
	if !got["here"] || !got["os/exec"] {
		t.Error(got)
	}
}

// TestPidFD is the caller's own and blocks, as with os/exec.
func TestPidFD(t *testing.T) { eachMaking(t, pidFD) }

func pidFD(t *testing.T) {
	spawntest.NeedPidfd(t)
	for _, who := range []string{"os/exec", "here"} {
		fd := -1
		s := subjectsWith(&syscall.SysProcAttr{PidFD: &fd}, "/bin/sh", "-c", "exit 5")[who]
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		var info unix.Siginfo
		if err := unix.Waitid(unix.P_PIDFD, fd, &info, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
			t.Error(who, err)
		}
		fl, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || fl != unix.FD_CLOEXEC {
			t.Errorf("%s: flags %d, %v", who, fl, err)
		}
		if err := s.Wait(); err == nil {
			t.Error(who, "no status")
		}
		if err := unix.Close(fd); err != nil {
			t.Error(who, err)
		}
	}
}

// TestTracedStop has a thread wait for the first stop of the child that it traces.
func TestTracedStop(t *testing.T) {
	testenv.NeedCall(t, "ptrace", unix.SYS_PTRACE)
	eachMaking(t, stopsTraced)
}

func stopsTraced(t *testing.T) {
	for name, wait := range map[string]func(s subject) (*os.ProcessState, error){
		"Wait":         func(s subject) (*os.ProcessState, error) { err := s.Wait(); return s.state(), err },
		"Process.Wait": func(s subject) (*os.ProcessState, error) { return s.process().Wait() },
	} {
		got := map[string]string{}
		for _, who := range []string{"os/exec", "here"} {
			done := make(chan string)
			go func() {
				runtime.LockOSThread() // for good: the thread ends, and no tracer is left
				done <- tracedStop(subjectsWith(&syscall.SysProcAttr{Ptrace: true}, "/bin/sh", "-c", "exit 7")[who], wait)
			}()
			got[who] = <-done
		}
		if got["here"] != got["os/exec"] || !strings.Contains(got["here"], "7 <nil>") {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func tracedStop(s subject, wait func(s subject) (*os.ProcessState, error)) string {
	if err := s.Start(); err != nil {
		return err.Error()
	}
	pid := s.process().Pid
	state, err := wait(s)
	o := fmt.Sprint(state, err)
	if err := unix.PtraceCont(pid, 0); err != nil {
		return o + err.Error()
	}
	var status unix.WaitStatus
	_, err = unix.Wait4(pid, &status, 0, nil)
	return fmt.Sprint(o, status.ExitStatus(), err)
}

// TestStartShowsProgram looks at /proc right after Start. The kernel wakes the
// parent in the middle of execve. Containers refuse kcmp.
func TestStartShowsProgram(t *testing.T) {
	for name, list := range map[string]attr.List{
		"kcmp": nil, "no kcmp": {attr.NoNewPrivs{}, spawntest.Refuse(unix.EPERM, unix.SYS_KCMP)},
	} {
		t.Run(name, func(t *testing.T) {
			s := spawntest.Helper(t, "start shows program", filepath.Join(t.TempDir(), "close-on-exec"))
			s.Attr = list
			if out := spawntest.Output(t, s); out != "" {
				t.Error(out)
			}
		})
	}
}

var _ = testenv.RegisterHelper("start shows program", func(args []string) int { return status(startShows(args[0])) })

// startShows prints what a child has of this process after Start. It makes a file.
func startShows(path string) error {
	kept, err := os.Create(path)
	if err != nil {
		return err
	}
	defer kept.Close()
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	own := map[string]string{fmt.Sprintf("fd/%d", kept.Fd()): path, "exe": exe, "comm": readProc("self/comm")}
	for what, old := range own {
		for round := range 200 {
			c := exec.Command("/bin/sleep", "1000")
			c.InheritAll = round%2 == 0
			if err := c.Start(); err != nil {
				return err
			}
			if now := readProc(fmt.Sprint(c.Process.Pid, "/", what)); now == old {
				fmt.Printf("InheritAll %v: %s of the child is %q\n", c.InheritAll, what, now)
			}
			if err := c.Process.Kill(); err != nil {
				return err
			}
			_ = c.Wait() // killed
		}
	}
	return nil
}

// TestOwnVector has this process's own memory be unreadable for a time, as beside a start that
// clears the dumpable flag. What is found then must not count later.
func TestOwnVector(t *testing.T) {
	s := spawntest.Helper(t, "own vector")
	if os.Geteuid() == 0 {
		spawntest.RunByNobody(t, s)
	}
	if out := spawntest.Output(t, s); out != "" {
		t.Error(out)
	}
}

var _ = testenv.RegisterHelper("own vector", func([]string) int { return status(findOwnVector()) })

func findOwnVector() error {
	c := exec.Command("/bin/sleep", "1000")
	if err := c.Start(); err != nil {
		return err
	}
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	for _, row := range []struct {
		dumpable uintptr
		p        *os.Process
		want     bool
	}{{0, c.Process, false}, {1, c.Process, false}, {1, self, true}} {
		if err := unix.Prctl(unix.PR_SET_DUMPABLE, row.dumpable, 0, 0, 0); err != nil {
			return err
		}
		if got := exec.HasOwnVector(row.p); got != row.want {
			fmt.Printf("%+v: %v\n", row, got)
		}
	}
	if err := c.Process.Kill(); err != nil {
		return err
	}
	_ = c.Wait() // killed
	return nil
}

// readProc is a file or a link of /proc, with as few system calls as can be.
func readProc(name string) string {
	var b [256]byte
	path := "/proc/" + name
	if n, err := unix.Readlink(path, b[:]); err == nil {
		return string(b[:n])
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	n, _ := unix.Read(fd, b[:])
	return string(b[:max(n, 0)])
}

// TestA7A12ManyLiveWithoutPidfds waits for many children where filters refuse pidfds, to
// this library and to package os.
func TestA7A12ManyLiveWithoutPidfds(t *testing.T) {
	s := spawntest.Helper(t, "many without pidfds", fmt.Sprint(testenv.Rounds(200, 10_000)))
	s.Attr = attr.List{attr.NoNewPrivs{}, spawntest.Refuse(unix.ENOSYS, unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_SEND_SIGNAL)}
	if out := spawntest.Output(t, s); out != "" {
		t.Error(out)
	}
}

var _ = testenv.RegisterHelper("many without pidfds", func(args []string) int {
	n, _ := strconv.Atoi(args[0])
	r, w, err := os.Pipe()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	var wg sync.WaitGroup
	for range n {
		c := exec.Command("/bin/cat")
		c.Stdin = r
		if err := c.Start(); err != nil {
			fmt.Println(err)
			return 1
		}
		if err := c.Process.WithHandle(func(uintptr) {}); !errors.Is(err, os.ErrNoHandle) {
			fmt.Println("a handle:", err)
		}
		wg.Go(func() {
			if err := c.Wait(); err != nil {
				fmt.Println(err)
			}
		})
	}
	time.Sleep(50 * time.Millisecond) // for all to park
	if tasks, err := os.ReadDir("/proc/self/task"); err != nil || len(tasks) >= 50 {
		fmt.Println(len(tasks), "threads", err)
	}
	w.Close()
	wg.Wait()
	return 0
})
