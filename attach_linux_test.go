//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package spawn_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

func needPidfds(t *testing.T) {
	t.Helper()
	if !spawn.Features().Has(spawn.FeaturePidfd) {
		testenv.Skip(t, "no pidfds")
	}
}

func init() {
	testenv.OmitExample("ExampleAttach", func() string { return testenv.LacksCall("pidfd_open", unix.SYS_PIDFD_OPEN) })
}

// grandchild starts a shell that starts another, which exits with 7 when its standard
// input ends, and that itself runs end. It returns the pid of the other.
func grandchild(t *testing.T, end string) (pid int, release func()) {
	t.Helper()
	c := exec.Command("/bin/sh", "-c", "exec 3<&0; sh -c 'read x; exit 7' <&3 3<&- & exec 3<&-; echo $!; "+end)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if pid, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = c.Process.Kill()
		_, _ = io.Copy(io.Discard, out)
		_ = c.Wait() // killed
	})
	return pid, func() { in.Close() }
}

// ways are the ways to attach.
var ways = map[string]func(t *testing.T, pid int) *spawn.Process{
	"by pid": func(t *testing.T, pid int) *spawn.Process {
		t.Helper()
		p, err := spawn.Attach(pid)
		if err != nil {
			t.Fatal(err)
		}
		return p
	},
	"by pidfd": func(t *testing.T, pid int) *spawn.Process {
		t.Helper()
		f := openPidfd(t, pid)
		defer f.Close()
		p, err := spawn.AttachPidfd(f)
		if err != nil {
			t.Fatal(err)
		}
		return p
	},
}

func openPidfd(t *testing.T, pid int) *os.File {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "pidfd")
}

func eachWay(t *testing.T, f func(t *testing.T, attach func(t *testing.T, pid int) *spawn.Process)) {
	needPidfds(t)
	for name, attach := range ways {
		t.Run(name, func(t *testing.T) { f(t, attach) })
	}
}

// TestAttach waits for a process that is no child, whose parent reaps it.
func TestAttach(t *testing.T) {
	eachWay(t, func(t *testing.T, attach func(t *testing.T, pid int) *spawn.Process) {
		before := testenv.Settled()
		pid, release := grandchild(t, "wait $!; read x")
		between := testenv.OpenFDs()
		p := attach(t, pid)
		if err := p.Signal(syscall.Signal(0)); err != nil || p.Pid() != pid {
			t.Errorf("%v, pid %d", err, p.Pid())
		}
		soon, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		defer cancel()
		if _, err := p.Wait(soon); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if err := p.WaitExited(context.Background()); err != nil {
					t.Error(err)
				}
				state, err := p.Wait(context.Background())
				if spawn.Features().Has(spawn.FeaturePidfdInfo) {
					if err != nil || state.ExitCode() != 7 || state.Pid() != pid || state.Rusage() != nil {
						t.Errorf("%v, %v", state, err)
					}
				} else if !errors.Is(err, spawn.ErrStatusUnknown) {
					t.Errorf("%v, %v", state, err)
				}
			})
		}
		release()
		wg.Wait()
		for _, err := range []error{p.Signal(syscall.SIGTERM), p.Kill(), p.WithPidfd(func(uintptr) error { return nil })} {
			if !errors.Is(err, os.ErrProcessDone) {
				t.Error(err)
			}
		}
		if now := testenv.OpenFDs(); len(now) > len(between) {
			t.Errorf("open: %v, before: %v and %v", now, before, between)
		}
	})
}

// TestAttachToUnreaped wants an end to be seen whose status never comes.
func TestAttachToUnreaped(t *testing.T) {
	eachWay(t, func(t *testing.T, attach func(t *testing.T, pid int) *spawn.Process) {
		t.Parallel() // the other waits as long for the reaper
		pid, release := grandchild(t, "exec sleep 1000")
		parent := testenv.StatusOf(t, strconv.Itoa(pid)).Status["PPid"]
		testenv.Eventually(t, "a parent that does not wait", func() bool {
			name, err := os.ReadFile("/proc/" + parent + "/comm")
			return err == nil && string(name) == "sleep\n"
		})
		p := attach(t, pid)
		release()
		if err := p.WaitExited(t.Context()); err != nil {
			t.Error(err)
		}
		if state, err := p.Wait(t.Context()); !errors.Is(err, spawn.ErrStatusUnknown) {
			t.Errorf("%v, %v", state, err)
		}
	})
}

// TestAttachToChild wants a child of this process to be left to whoever waits for it.
func TestAttachToChild(t *testing.T) {
	eachWay(t, func(t *testing.T, attach func(t *testing.T, pid int) *spawn.Process) {
		c := exec.Command("/bin/sh", "-c", "read x; exit 7")
		in, err := c.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		p := attach(t, c.Process.Pid)
		in.Close()
		if state, err := p.Wait(context.Background()); err != nil || state.ExitCode() != 7 || state.Rusage() == nil {
			t.Errorf("%v, %v", state, err)
		}
		var exit *exec.ExitError
		if err := c.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 7 {
			t.Error(err)
		}

		q, end := spawntest.LiveChild(t)
		p = attach(t, q.Pid())
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
		var wg sync.WaitGroup
		for _, x := range []*spawn.Process{p, q} {
			wg.Go(func() {
				state, err := x.Wait(context.Background())
				unknown := x == p && errors.Is(err, spawn.ErrStatusUnknown) && !spawn.Features().Has(spawn.FeaturePidfdInfo)
				if !unknown && (err != nil || state.Signal() != syscall.SIGKILL) {
					t.Errorf("%v, %v", state, err)
				}
			})
		}
		wg.Wait()
		end()
	})
}

// TestAttachedIsReleased wants the descriptor to be closed at once, and those who wait
// to wake up.
func TestAttachedIsReleased(t *testing.T) {
	eachWay(t, func(t *testing.T, attach func(t *testing.T, pid int) *spawn.Process) {
		q, end := spawntest.LiveChild(t)
		defer end()
		before := testenv.Settled()
		for _, parked := range []bool{false, true} {
			p := attach(t, q.Pid())
			done := make(chan error, 1)
			wait := func() {
				_, err := p.Wait(context.Background())
				done <- err
			}
			if parked {
				go wait()
				time.Sleep(5 * time.Millisecond)
			}
			if err := errors.Join(p.Release(), p.Release()); err != nil {
				t.Error(err)
			}
			if !parked {
				go wait()
			}
			r, err := p.Stop(context.Background(), spawn.Graceful(0)...)
			if r.Left != -1 {
				t.Errorf("%+v", r)
			}
			for _, err := range []error{<-done, err, p.Kill(), p.WaitExited(context.Background()), p.WithPidfd(func(uintptr) error { return nil })} {
				if !errors.Is(err, os.ErrClosed) {
					t.Error(err)
				}
			}
		}
		attach(t, q.Pid()) // and forget it
		testenv.Eventually(t, "closed descriptors", func() bool {
			runtime.GC()
			return maps.Equal(before, testenv.OpenFDs())
		})
		if err := q.Signal(syscall.Signal(0)); err != nil {
			t.Error(err)
		}
	})
}

// TestAttachErrors attaches to what is not there.
func TestAttachErrors(t *testing.T) {
	needPidfds(t)
	q := spawntest.Start(t, spawntest.Exits(t, 0))
	f := openPidfd(t, q.Pid())
	defer f.Close()
	if _, err := q.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, c := range []struct {
		what string
		want error
		try  func() (*spawn.Process, error)
	}{
		{"a reaped child", os.ErrProcessDone, func() (*spawn.Process, error) { return spawn.AttachPidfd(f) }},
		{"no pidfd", syscall.EBADF, func() (*spawn.Process, error) { return spawn.AttachPidfd(null) }},
		{"a closed file", os.ErrClosed, func() (*spawn.Process, error) { null.Close(); return spawn.AttachPidfd(null) }},
		{"pid 0", syscall.EINVAL, func() (*spawn.Process, error) { return spawn.Attach(0) }},
		{"a negative pid", syscall.EINVAL, func() (*spawn.Process, error) { return spawn.Attach(-1) }},
		{"nobody's pid", os.ErrProcessDone, func() (*spawn.Process, error) { return spawn.Attach(1<<31 - 1) }},
		{"no pidfds", errors.ErrUnsupported, func() (*spawn.Process, error) {
			defer spawntest.Force("pidfd")()
			return spawn.Attach(os.Getpid())
		}},
	} {
		if p, err := c.try(); p != nil || !errors.Is(err, c.want) {
			t.Errorf("%s: %v, %v", c.what, p, err)
		}
	}
}

// TestAttachCostsNoThread waits for many at once.
func TestAttachCostsNoThread(t *testing.T) {
	needPidfds(t)
	q, end := spawntest.LiveChild(t)
	before := testenv.CountThreads(t)
	var wg sync.WaitGroup
	for range 200 {
		p, err := spawn.Attach(q.Pid())
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			if err := p.WaitExited(context.Background()); err != nil {
				t.Error(err)
			}
			_ = p.Release() // nil
		})
	}
	time.Sleep(50 * time.Millisecond) // for all to park
	if n := testenv.CountThreads(t) - before; n >= 40 {
		t.Errorf("%d threads more", n)
	}
	end()
	wg.Wait()
}

// TestAttachByNobody wants a process of root's to be waited for by anybody, and to be
// signalled by nobody.
func TestAttachByNobody(t *testing.T) {
	needPidfds(t)
	testenv.NeedRoot(t)
	pid, release := grandchild(t, "wait $!; read x")
	s := spawntest.Helper(t, "attach", fmt.Sprint(pid))
	spawntest.ForAnybody(t, s)
	s.Attr = append(s.Attr, attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody})
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s.Actions.File(w, 3)
	go func() {
		_, _ = r.Read(make([]byte, 1)) // until it has attached
		r.Close()
		w.Close()
		release()
	}()
	if out := spawntest.Output(t, s); out != "" {
		t.Error(out)
	}
}

var _ = testenv.RegisterHelper("attach", func(args []string) int {
	pid, _ := strconv.Atoi(args[0])
	p, err := spawn.Attach(pid)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	if err := p.Kill(); !errors.Is(err, fs.ErrPermission) {
		fmt.Println("kill:", err)
	}
	_, _ = unix.Write(3, []byte("x"))
	state, err := p.Wait(context.Background())
	unknown := errors.Is(err, spawn.ErrStatusUnknown) && !spawn.Features().Has(spawn.FeaturePidfdInfo)
	if !unknown && (err != nil || state.ExitCode() != 7) {
		fmt.Println(state, err)
	}
	return 0
})

var _ = testenv.RegisterHelper("attach with a foreign proc", attachForeign)

// attachForeign sees the numbers in /proc of another pid namespace than its own, and has
// the pidfd of a child. args says which kernel it has.
func attachForeign(args []string) int {
	defer spawntest.Force(args[0])()
	c := exec.Command("/bin/sleep", "1000")
	pidfd := -1
	c.SysProcAttr = &syscall.SysProcAttr{PidFD: &pidfd}
	if err := c.Start(); err != nil {
		return testenv.Status(err)
	}
	defer func() {
		_ = c.Process.Kill()
		_ = c.Wait() // killed
	}()
	f := os.NewFile(uintptr(pidfd), "pidfd")
	defer f.Close()
	p, err := spawn.AttachPidfd(f)
	switch {
	case err == nil && p.Pid() != c.Process.Pid:
		err = fmt.Errorf("attached to %d, want %d", p.Pid(), c.Process.Pid)
	case err == nil:
		err = p.Release()
	case args[0] == "pidfd_info" && errors.Is(err, errors.ErrUnsupported):
		err = nil
	}
	return testenv.Status(err)
}

// A number in /proc is no pid where /proc is that of another pid namespace.
func TestAttachWithForeignProc(t *testing.T) {
	needPidfds(t)
	testenv.NeedCap(t, unix.CAP_SYS_ADMIN)
	spawntest.NeedNamespaces(t, unix.CLONE_NEWPID)
	kernels := []string{"pidfd_info"}
	if kernel.Current().PidfdInfo {
		kernels = append(kernels, "nothing")
	}
	for _, without := range kernels {
		c := &exec.Cmd{
			Path: testenv.Self(t), Args: testenv.HelperArgs("attach with a foreign proc", without),
			SysProcAttr: &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID},
		}
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("without %s: %v: %s", without, err, out)
		}
	}
}
