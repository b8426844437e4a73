//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

package raw

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/testenv"
)

// withMask runs f on a thread that blocks exactly some signals, and checks that
// f has not changed that.
func withMask(t *testing.T, block uint64, f func(mask uint64)) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	was := threadMask(t)
	set := Sigset(block)
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &set, nil); err != nil {
		t.Fatal(err)
	}
	f(block)
	if now := threadMask(t); now != block {
		t.Errorf("mask of the thread is %#x, was %#x", now, block)
	}
	set = Sigset(was)
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &set, nil); err != nil {
		t.Fatal(err)
	}
}

func threadMask(t testing.TB) uint64 {
	t.Helper()
	var set unix.Sigset_t
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, nil, &set); err != nil {
		t.Fatal(err)
	}
	return Mask(&set)
}

// The mask of the thread is the same after children that exit, that fail, that
// exec, and that could not be made.
func TestThreadMaskIsRestored(t *testing.T) {
	path := tinyProgram(t, 0)
	var exit, fail, exec program
	exit.exit(0)
	fail.fails()
	exec.exec(path)
	programs := []*Program{exit.Build(), fail.Build(), exec.Build()}
	for _, legacy := range ways() {
		for _, p := range programs {
			withMask(t, 1<<(unix.SIGUSR2-1), func(uint64) {
				r := NewRun(p)
				defer r.Free()
				if _, err := finish(r, Clone{Flags: vfork, Legacy: legacy, ErrFD: -1}); err != nil {
					t.Error(err)
				}
			})
		}
		withMask(t, 1<<(unix.SIGUSR2-1), func(uint64) {
			r := NewRun(programs[0])
			defer r.Free()
			const contradiction = unix.CLONE_SIGHAND // needs CLONE_VM
			if _, errno := r.Start(Clone{Flags: contradiction, Legacy: legacy, ErrFD: -1}); errno != unix.EINVAL {
				t.Errorf("got %v", errno)
			}
			if r.Kill() || r.Pidfd() >= 0 {
				t.Error("a child that was not made can be killed")
			}
		})
	}
}

func TestProgramWithoutSharedMemory(t *testing.T) {
	path := tinyProgram(t, 8)
	for _, fail := range []bool{false, true} {
		var p program
		if fail {
			p.call(Chdir, p.String("/nonexistent/directory"))
		}
		p.exec(path)
		reader, writer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r := NewRun(p.Build())
		got, err := finish(r, usable(Clone{ErrFD: int(writer.Fd())}))
		writer.Close()
		if err != nil {
			t.Fatal(err)
		}
		if got.failed {
			t.Error("memory was shared")
		}
		record := make([]byte, 64)
		n, _ := reader.Read(record)
		reader.Close()
		if r.SetRecord(record[:n]) != fail {
			t.Errorf("a record of %d bytes", n)
		}
		if step, errno, failed := r.Failure(); failed != fail || fail && (step.Name != "chdir" || errno != unix.ENOENT) {
			t.Errorf("%v: %+v: %v", failed, step, errno)
		}
		if !fail && !got.exited(8) {
			t.Errorf("%+v", got)
		}
		r.Free()
	}
}

// One program is run by many at once; each run has its own variables.
func TestProgramIsShared(t *testing.T) {
	var p program
	in, out := p.Var(), p.Var()
	p.call(Umask, VarArg(in, 0))
	p.call(Umask, Int(0)).Keep(out)
	p.call(ExitGroup, VarArg(out, 0))
	prog := p.Build()
	errs := make(chan error)
	const n = 8
	for g := range n {
		go func() { errs <- runMany(prog, in, out, g) }()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func runMany(p *Program, in, out Var, g int) error {
	for i := range 50 {
		want := (g*50 + i) % 256
		r := NewRun(p)
		r.Set(in, uint64(want))
		got, err := finish(r, usable(Clone{Flags: vfork | unix.CLONE_PIDFD, ErrFD: -1}))
		r.Free()
		if err != nil {
			return err
		}
		if !got.exited(want) || got.vars[out] != uint64(want) {
			return fmt.Errorf("want %d: %+v", want, got)
		}
	}
	return nil
}

func TestPidfd(t *testing.T) {
	needPidfdWait(t)
	for _, legacy := range ways() {
		var p program
		p.exit(9)
		r := NewRun(p.Build())
		pid, errno := r.Start(Clone{Flags: vfork | unix.CLONE_PIDFD, Legacy: legacy, ErrFD: -1})
		if errno != 0 {
			t.Fatal(errno)
		}
		var x Exit
		if errno := Waitid(unix.P_PIDFD, r.Pidfd(), unix.WEXITED, &x); errno != 0 || x.PID != pid || x.Status.ExitStatus() != 9 {
			t.Errorf("legacy %v: %v, %+v", legacy, errno, x)
		}
		unix.Close(r.Pidfd())
		r.Free()
	}
}

// A child that is stuck is killed by whatever identifies it.
func TestKillBeforeExec(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []Clone{
		{Flags: vfork, ErrFD: -1},
		{Flags: vfork | unix.CLONE_PIDFD, ErrFD: -1},
		{Flags: vfork, Legacy: true, ErrFD: -1},
		{Flags: vfork | unix.CLONE_PIDFD, Legacy: true, ErrFD: -1},
	} {
		var p program
		p.call(Openat, Int(unix.AT_FDCWD), p.String(fifo), Int(unix.O_RDONLY), Int(0))
		r := NewRun(p.Build())
		if r.Kill() {
			t.Error("killed before it was started")
		}
		killed := make(chan struct{})
		go func() {
			defer close(killed)
			for !r.Kill() {
				time.Sleep(time.Millisecond)
			}
		}()
		got, err := finish(r, usable(c))
		if err != nil {
			t.Fatal(err)
		}
		<-killed
		if !got.status.Signaled() || got.status.Signal() != syscall.SIGKILL {
			t.Errorf("%+v: %+v", c, got)
		}
		r.Free()
	}
}

// A child that is made without CLONE_VFORK leaves the thread free, for signals as
// well, until it does not share memory any more; Interrupt ends the wait.
func TestAwait(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	path := tinyProgram(t, 6)
	for _, c := range []Clone{
		{Flags: unix.CLONE_VM, ErrFD: -1},
		{Flags: unix.CLONE_VM | unix.CLONE_PIDFD, ErrFD: -1},
		{Flags: unix.CLONE_VM, Legacy: true, ErrFD: -1},
		{Flags: unix.CLONE_VM | unix.CLONE_PIDFD, Legacy: true, ErrFD: -1},
	} {
		var p program
		p.call(Openat, Int(unix.AT_FDCWD), p.String(fifo), Int(unix.O_RDONLY), Int(0))
		p.exec(path)
		withMask(t, 1<<(unix.SIGUSR2-1), func(mask uint64) {
			r := NewRun(p.Build())
			pid, errno := r.Start(usable(c))
			if errno != 0 {
				t.Fatal(errno)
			}
			if now := threadMask(t); now != mask {
				t.Errorf("mask %#x while the child is on its way, want %#x", now, mask)
			}
			if r.Await(time.Millisecond) {
				t.Error("the child is over")
			}
			var back atomic.Bool
			interrupted := make(chan struct{})
			go func() { // again and again: one may come before the wait
				defer close(interrupted)
				for !back.Load() {
					time.Sleep(5 * time.Millisecond)
					r.Interrupt()
				}
			}()
			r.Await(time.Hour)
			back.Store(true)
			<-interrupted
			w, err := testenv.OpenWriter(fifo)
			if err != nil {
				t.Fatal(err)
			}
			for !r.Await(time.Minute) {
			}
			w.Close()
			var x Exit
			if errno := waitPid(pid, unix.WEXITED, &x); errno != 0 || x.Status.ExitStatus() != 6 {
				t.Errorf("%+v: %v, %+v", c, errno, x)
			}
			if fd := r.Pidfd(); fd >= 0 {
				unix.Close(fd)
			}
			if _, _, failed := r.Failure(); failed {
				t.Error("the child has failed")
			}
			r.Free()
		})
	}
}

// A failure is there, and one to make the child leaves nothing to be waited for.
func TestAwaitFailure(t *testing.T) {
	var p program
	p.fails()
	r := NewRun(p.Build())
	defer r.Free()
	pid, errno := r.Start(Clone{Flags: unix.CLONE_VM, Legacy: true, ErrFD: -1})
	if errno != 0 {
		t.Fatal(errno)
	}
	for !r.Await(time.Minute) {
	}
	if _, _, failed := r.Failure(); !failed {
		t.Error("no failure")
	}
	var x Exit
	waitPid(pid, unix.WEXITED, &x)
	if _, errno := r.Start(Clone{Flags: unix.CLONE_VM | unix.CLONE_THREAD, Legacy: true, ErrFD: -1}); errno != unix.EINVAL || !r.Await(time.Minute) {
		t.Errorf("%v", errno)
	}
}

func TestRoomFor(t *testing.T) {
	if errno := RoomFor(3); errno != 0 {
		t.Error(errno)
	}
}

var _ = testenv.RegisterHelper("makes room", func([]string) int {
	fmt.Println()
	for {
		RoomFor(8)
	}
})

// The children of RoomFor do not outlive a parent that is killed at any moment.
func TestRoomForLeavesNothing(t *testing.T) {
	for range testenv.Rounds(10, 500) {
		cmd := helperCommand(t, "makes room")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_, _ = out.Read(make([]byte, 1)) // so it is at it
		time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		testenv.Eventually(t, "the end of its group", func() bool { return !testenv.GroupLives(cmd.Process.Pid) })
	}
}

func TestWaitStatus(t *testing.T) {
	var p program
	p.call(Chdir, Int(0)).Ignore()
	p.exit(0x1ff)
	if got := perform(t, p.Build(), nil); !got.exited(0xff) {
		t.Errorf("%+v", got)
	}
	if s := waitStatus(cldDumped, int32(unix.SIGSEGV)); !s.Signaled() || !s.CoreDump() || s.Signal() != unix.SIGSEGV {
		t.Errorf("%#x", s)
	}
	if s := waitStatus(cldKilled, int32(unix.SIGTERM)); !s.Signaled() || s.CoreDump() || s.Signal() != unix.SIGTERM {
		t.Errorf("%#x", s)
	}
}

func TestStartDoesNotAllocate(t *testing.T) {
	var p program
	p.exit(0)
	r := NewRun(p.Build())
	defer r.Free()
	var x Exit
	c := usable(Clone{Flags: vfork, ErrFD: -1})
	n := testing.AllocsPerRun(200, func() {
		pid, errno := r.Start(c)
		if errno == 0 {
			errno = waitPid(pid, unix.WEXITED, &x)
		}
		if errno != 0 {
			t.Fatal(errno)
		}
	})
	if n != 0 && !testenv.Sanitized() {
		t.Errorf("%v allocations", n)
	}
}
