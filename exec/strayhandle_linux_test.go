//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec_test

import (
	"errors"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/raw"
	"github.com/safespawn/spawn/internal/raw/rawtest"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// handleOf is the number of a process's handle.
func handleOf(t *testing.T, p *os.Process) (fd int) {
	t.Helper()
	if err := p.WithHandle(func(h uintptr) { fd = int(h) }); err != nil {
		testenv.Skip(t, "no handles: "+err.Error())
	}
	return fd
}

// exits is a program that is to be started, and that exits when end is called.
func exits(t *testing.T, status string) (c *exec.Cmd, end func()) {
	t.Helper()
	c = exec.Command("/bin/sh", "-c", "read x; exit "+status)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	return c, func() {
		go func() {
			time.Sleep(10 * time.Millisecond)
			in.Close()
		}()
	}
}

// TestStrayCloseOfHandle has other code close a handle, by mistake, before Wait. Its
// number comes to another child's, or to a file.
func TestStrayCloseOfHandle(t *testing.T) {
	if !spawn.Features().Has(spawn.FeaturePidfd) {
		testenv.Skip(t, "no pidfds")
	}
	first, endFirst := exits(t, "5")
	second, endSecond := exits(t, "6")
	third, endThird := exits(t, "7")
	start := func(c *exec.Cmd) int {
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		return handleOf(t, c.Process)
	}
	fd := start(first)
	testenv.StrayClose(t, fd)
	if start(second) != fd {
		t.Fatal("the number was not used again")
	}
	endFirst()
	_ = first.Wait() // 5
	if s := first.ProcessState; s == nil || s.ExitCode() != 5 || s.Pid() != first.Process.Pid {
		t.Errorf("the first: %v", s)
	}
	endSecond()
	_ = second.Wait() // 6
	if s := second.ProcessState; s == nil || s.ExitCode() != 6 || s.Pid() != second.Process.Pid {
		t.Errorf("the second: %v", s)
	}

	fd = start(third)
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := unix.Dup3(int(file.Fd()), fd, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	endThird()
	_ = third.Wait() // 7
	if s := third.ProcessState; s == nil || s.ExitCode() != 7 {
		t.Errorf("the third: %v", s)
	}
	if err := unix.Close(fd); err != nil {
		t.Errorf("somebody's file was closed: %v", err)
	}
}

// TestStrayHandleOfTree has other code close the handle of a tree's child, by mistake, before
// Wait: the tree is not killed before the child has ended.
func TestStrayHandleOfTree(t *testing.T) {
	if !spawn.Features().Has(spawn.FeaturePidfd) {
		testenv.Skip(t, "no pidfds")
	}
	for name, lose := range map[string]func(*testing.T, int){
		"closed": func(t *testing.T, fd int) { testenv.StrayClose(t, fd) },
		"taken":  takeNumber,
	} {
		for _, kind := range []string{"cgroup", "group"} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				if kind == "group" {
					defer exec.ForceNoCgroup()()
				}
				c, end := exits(t, "5")
				c.Tree = true
				if err := c.Start(); err != nil {
					t.Fatal(err)
				}
				lose(t, handleOf(t, c.Process))
				end()
				_ = c.Wait() // 5
				if s := c.ProcessState; s == nil || s.ExitCode() != 5 {
					t.Errorf("%v", s)
				}
			})
		}
	}
}

// TestTreeBlindWait has the poller refuse the handle of a tree's child, and the wait by it fail,
// while looks at it say that the child lives: the tree is not killed.
func TestTreeBlindWait(t *testing.T) {
	if !spawn.Features().Has(spawn.FeaturePidfd) {
		testenv.Skip(t, "no pidfds")
	}
	c := &exec.Cmd{Path: testenv.Self(t), Args: testenv.HelperArgs("blind wait")}
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%s%v", out, err)
	}
}

var _ = testenv.RegisterHelper("blind wait", func([]string) int {
	runtime.LockOSThread() // prctl and the filter are of one thread
	c := exec.Command("/bin/sh", "-c", "sleep .05; exit 5")
	c.Tree = true
	if err := c.Start(); err != nil { // the poller has what it needs
		return status(err)
	}
	load := func(k uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: k}
	}
	unless := func(k uint32, jump uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: k, Jf: jump}
	}
	fail := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOMEM)}
	err := errors.Join(unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), rawtest.AddFilterToAll([]unix.SockFilter{
		load(0), unless(unix.SYS_EPOLL_CTL, 1), fail, unless(unix.SYS_WAITID, 5),
		load(raw.LowOfArg(0)), unless(unix.P_PIDFD, 3), load(raw.LowOfArg(3)), unless(unix.WEXITED|unix.WNOWAIT, 1), fail,
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}))
	if err != nil {
		return status(err)
	}
	_ = c.Wait() // 5
	if c.ProcessState.ExitCode() != 5 {
		return status(errors.New(c.ProcessState.String()))
	}
	return 0
})

// TestStrayGarbage has other code close the handle of a process that nobody waits for,
// by mistake, before it is garbage. The number is another child's by then, or a file's,
// or that of somebody's own pidfd.
func TestStrayGarbage(t *testing.T) {
	if !spawn.Features().Has(spawn.FeaturePidfd) {
		testenv.Skip(t, "no pidfds")
	}
	self, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		testenv.Skip(t, "no pidfd_open: "+err.Error())
	}
	defer unix.Close(self)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for what, take := range map[string]func(t *testing.T, fd int){
		"another child's": func(t *testing.T, fd int) {
			c, end := exits(t, "0")
			testenv.StrayClose(t, fd)
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				end()
				if err := c.Wait(); err != nil {
					t.Error(err)
				}
			})
			if n := handleOf(t, c.Process); n != fd {
				t.Fatalf("it has %d, not %d", n, fd)
			}
		},
		"a file": func(t *testing.T, fd int) {
			if err := unix.Dup3(int(null.Fd()), fd, unix.O_CLOEXEC); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { unix.Close(fd) })
		},
		"a stranger's": func(t *testing.T, fd int) {
			if err := unix.Dup3(self, fd, unix.O_CLOEXEC); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { unix.Close(fd) })
		},
	} {
		t.Run(what, func(t *testing.T) {
			pid, fd, gone := forgotten(t)
			take(t, fd)
			testenv.Eventually(t, "the process is garbage", func() bool {
				runtime.GC()
				return gone.Load()
			})
			runtime.GC() // which waits for no cleanup
			time.Sleep(20 * time.Millisecond)
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
				t.Errorf("somebody's descriptor was closed: %v", err)
			}
			var status unix.WaitStatus
			if _, err := unix.Wait4(pid, &status, 0, nil); err != nil {
				t.Error(err)
			}
		})
	}
}

// forgotten is a child that nobody waits for, and the number of its handle. gone is set
// when its process is garbage.
func forgotten(t *testing.T) (pid, fd int, gone *atomic.Bool) {
	t.Helper()
	c := exec.Command("/bin/true")
	c.NoReap = true
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	gone = new(atomic.Bool)
	runtime.AddCleanup(c.Process, func(*int) { gone.Store(true) }, new(int))
	return c.Process.Pid, handleOf(t, c.Process), gone
}

// TestLostInRun has the kernel reap the child of Run. What then is garbage holds no
// descriptor.
func TestLostInRun(t *testing.T) {
	for range 2 {
		runtime.GC() // for what other tests have left
		time.Sleep(10 * time.Millisecond)
	}
	before := settledPidfds()
	signal.Ignore(syscall.SIGCHLD)
	err := exec.Command("/bin/true").Run()
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGCHLD) // Reset alone would leave it ignored
	signal.Stop(c)
	if err != nil && !errors.Is(err, spawn.ErrStatusTaken) || err == nil != spawn.Features().Has(spawn.FeaturePidfdInfo) {
		t.Errorf("got %v", err)
	}
	for range 1000 {
		runtime.GC()
		if pidfds() == before {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%d pidfds are left", pidfds()-before)
}

// TestStrayHandleWhileParked has other code close the handle of a process that somebody
// waits for, and nothing come to its number.
func TestStrayHandleWhileParked(t *testing.T) {
	spawntest.NeedPidfd(t)
	first, endFirst := exits(t, "5")
	second, endSecond := exits(t, "6")
	for _, c := range []*exec.Cmd{first, second} {
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
	}
	fd := handleOf(t, first.Process)
	other := make(chan error)
	go func() { other <- second.Wait() }()
	done := make(chan error)
	go func() { done <- first.Wait() }()
	time.Sleep(10 * time.Millisecond) // for both to park
	if err := unix.Close(fd); err != nil {
		t.Fatal(err)
	}
	endFirst()
	<-done // status 5
	if s := first.ProcessState; s == nil || s.ExitCode() != 5 {
		t.Errorf("the first: %v", s)
	}
	endSecond()
	<-other // status 6
	if s := second.ProcessState; s == nil || s.ExitCode() != 6 {
		t.Errorf("the second: %v", s)
	}
}

// TestStrayHandleWithCopy has other code close the handle of a process that somebody waits
// for, and has a copy of the handle. The kernel goes on telling of the end.
func TestStrayHandleWithCopy(t *testing.T) {
	if !spawn.Features().Has(spawn.FeaturePidfd) {
		testenv.Skip(t, "no pidfds")
	}
	leader, endLeader := exits(t, "6")
	first, endFirst := exits(t, "5")
	pidfd := -1
	first.SysProcAttr = &syscall.SysProcAttr{PidFD: &pidfd}
	done := make(chan error)
	fd := -1
	for _, c := range []*exec.Cmd{leader, first} {
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		fd = handleOf(t, c.Process)
		go func() { done <- c.Wait() }()
		testenv.Eventually(t, "it is parked", func() bool { return exec.Parked(fd) })
	}
	defer unix.Close(pidfd)
	if err := unix.Close(fd); err != nil {
		t.Fatal(err)
	}
	exec.FailParked(fd)
	endFirst()
	<-done // status 5
	endLeader()
	<-done // status 6
	for c, want := range map[*exec.Cmd]int{first: 5, leader: 6} {
		if s := c.ProcessState; s == nil || s.ExitCode() != want {
			t.Errorf("%v, want %d", s, want)
		}
	}
}
