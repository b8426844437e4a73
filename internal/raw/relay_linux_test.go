//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

package raw

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/testenv"
)

// relayClones are ways for the second child.
func relayClones() map[string]Clone {
	all := map[string]Clone{}
	for name, flags := range map[string]uint64{"vfork": vfork, "shared": unix.CLONE_VM, "copied": 0} {
		if !noClone3() {
			all[name] = Clone{Flags: flags | unix.CLONE_PIDFD, ErrFD: -1}
		}
		all[name+", legacy"] = Clone{Flags: flags | unix.CLONE_PIDFD, Legacy: true, ErrFD: -1}
	}
	return all
}

// endRelayed waits for the second child, which may be invisible to other waiting.
func endRelayed(t *testing.T, r *Run, pid int) (x Exit) {
	t.Helper()
	if errno := waitPid(pid, unix.WEXITED|unix.WALL, &x); errno != 0 {
		t.Errorf("waitid: %v", errno)
	}
	for !r.Await(time.Second) || !r.AwaitRelay(time.Second) {
	}
	if fd := r.Pidfd(); fd >= 0 {
		unix.Close(fd)
	}
	return x
}

// What the first child does to itself the second inherits, which is a child of this
// process, goes on with the operations, and is known by its pidfd.
func TestRelay(t *testing.T) {
	for name, c := range relayClones() {
		t.Run(name, func(t *testing.T) {
			var b Builder
			b.Step(Step{Name: "umask", Index: 0})
			b.Call(0, Umask, Int(0o13))
			b.Step(Step{Name: "relay", Index: 1})
			b.Relay(1, c.Legacy)
			old, parent := b.Var(), b.Var()
			b.Step(Step{Name: "umask", Index: 2})
			b.Call(2, Getppid).Keep(parent)
			b.Call(2, ExitGroup, Int(1)).SkipEqual(parent, uint64(os.Getpid()))
			b.Call(2, Umask, Int(0)).Keep(old)
			b.Call(2, ExitGroup, VarArg(old, 0))
			r := NewRun(b.Build())
			defer r.Free()
			pid, errno := r.Start(c)
			if errno != 0 || pid == 0 || pid != r.TID() {
				t.Fatalf("pid %d, id %d, %v", pid, r.TID(), errno)
			}
			if fd := r.Pidfd(); c.Legacy != (fd < 0) {
				t.Errorf("pidfd %d", fd)
			} else if fd >= 0 {
				var x Exit
				if errno := Waitid(unix.P_PIDFD, fd, unix.WEXITED|unix.WALL|unix.WNOWAIT, &x); !refused(errno) && (errno != 0 || x.PID != pid) {
					t.Errorf("the pidfd is of %d, want %d: %v", x.PID, pid, errno)
				}
			}
			if x := endRelayed(t, r, pid); x.Status.ExitStatus() != 0o13 {
				t.Errorf("status %#x", x.Status)
			}
			if _, _, failed := r.Failure(); failed {
				t.Error("it has failed")
			}
		})
	}
}

// The first child goes on where it has made the second, whatever that has done meanwhile: each
// has a stack pointer of its own.
func TestRelayEndsWell(t *testing.T) {
	for name, c := range relayClones() {
		t.Run(name, func(t *testing.T) {
			var b Builder
			b.Relay(1, c.Legacy)
			b.Call(2, Nanosleep, b.Struct(Int(0), Int(20_000_000)), Int(0)) // Start returns
			b.Call(2, ExitGroup, Int(7))
			b.Call(2, ExitGroup, Int(8))
			r := NewRun(b.Build())
			defer r.Free()
			pid, errno := r.Start(c)
			if errno != 0 {
				t.Fatal(errno)
			}
			if r.second.pid != 0 { // else Start has reaped it
				var relay Exit
				errno := Waitid(unix.P_PID, r.second.pid, unix.WEXITED|unix.WALL|unix.WNOWAIT, &relay)
				if !refused(errno) && (errno != 0 || relay.Status != 0) {
					t.Errorf("the relay has ended with %#x, %v", relay.Status, errno)
				}
			}
			if x := endRelayed(t, r, pid); x.Status.ExitStatus() != 7 {
				t.Errorf("status %#x", x.Status)
			}
		})
	}
}

// An operation that fails is reported, whichever child fails, and so is the making of
// the second child. Nothing is left.
func TestRelayFailures(t *testing.T) {
	path := tinyProgram(t, 0)
	for _, legacy := range ways() {
		for at := range 6 {
			var b Builder
			for i := range 6 {
				b.Step(Step{Name: "step", Index: i})
				switch {
				case i == 3:
					b.Relay(uint8(i), legacy)
				case i == at:
					b.Call(uint8(i), Chdir, b.String("/nonexistent/directory"))
				default:
					b.Call(uint8(i), Umask, Int(0o22))
				}
			}
			b.exec(path)
			want := syscall.Errno(unix.ENOENT)
			c := Clone{Flags: vfork | unix.CLONE_PIDFD, Legacy: legacy, ErrFD: -1}
			if at == 3 {
				c.Flags |= unix.CLONE_THREAD // needs CLONE_SIGHAND
				want = unix.EINVAL
			}
			r := NewRun(b.Build())
			res, err := finish(r, c)
			if err != nil {
				t.Fatal(err)
			}
			if !res.failed || res.step.Index != at || res.errno != want {
				t.Errorf("legacy %v, at %d: %+v", legacy, at, res)
			}
			if made := r.TID() != 0; made != (at > 3) {
				t.Errorf("legacy %v, at %d: a second child: %v", legacy, at, made)
			}
			r.Free()
			if testenv.HasChild() {
				t.Fatalf("legacy %v, at %d: a child is left", legacy, at)
			}
		}
	}
}

// stuckRelay starts a second child that is stuck before execve.
func stuckRelay(t *testing.T) (r *Run, pid int, release func()) {
	t.Helper()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	var b Builder
	b.Relay(0, true)
	b.Step(Step{Name: "open", Index: -1})
	b.Call(1, Openat, Int(unix.AT_FDCWD), b.String(fifo), Int(unix.O_RDONLY), Int(0))
	b.exec(tinyProgram(t, 6))
	r = NewRun(b.Build())
	pid, errno := r.Start(Clone{Flags: vfork, Legacy: true, ErrFD: -1})
	if errno != 0 || pid == 0 {
		t.Fatalf("pid %d, %v", pid, errno)
	}
	return r, pid, func() {
		w, err := testenv.OpenWriter(fifo)
		if err != nil {
			t.Error(err)
		}
		w.Close()
	}
}

// While the second child is on its way nobody who waits for any child is told of either
// child, and the relay sleeps in clone. A relay that is killed meanwhile does not end the
// wait for the second child.
func TestRelayIsKilled(t *testing.T) {
	for _, kill := range []bool{false, true} {
		r, pid, release := stuckRelay(t)
		relay := r.Relay()
		if relay == 0 || relay == pid {
			t.Fatalf("relay %d, child %d", relay, pid)
		}
		var x Exit
		if errno := Wait4(-1, unix.WNOHANG, &x); errno != unix.ECHILD {
			t.Errorf("wait4: %v, %+v", errno, x)
		}
		testenv.Eventually(t, "the relay sleeps in clone", func() bool {
			state := testenv.StateOf(relay)
			return state == 'D' || state == 'S'
		})
		if kill {
			if err := unix.Kill(relay, unix.SIGKILL); err != nil {
				t.Error(err)
			}
			for !r.AwaitRelay(time.Second) {
			}
			if r.Relay() != 0 {
				t.Error("the relay is not dead")
			}
		}
		if r.Await(time.Millisecond) {
			t.Error("the child is over")
		}
		release()
		for !r.Await(time.Second) {
		}
		// From execve on it is like any other child.
		if errno := Wait4(pid, 0, &x); errno != 0 || x.Status.ExitStatus() != 6 {
			t.Errorf("%v, %+v", errno, x)
		}
		for !r.AwaitRelay(time.Second) {
		}
		r.Free()
	}
}

// A relay that is stopped makes no child until it is killed, at which the start ends.
func TestRelayIsStopped(t *testing.T) {
	var b Builder
	b.Step(Step{Name: "stop", Index: -1})
	self := b.Var()
	b.Call(0, Getpid).Keep(self)
	b.Call(0, Tkill, VarArg(self, 0), Int(int64(unix.SIGSTOP)))
	b.Relay(1, true)
	b.Call(2, ExitGroup, Int(0))
	r := NewRun(b.Build())
	defer r.Free()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if pid, errno := r.Start(Clone{Flags: vfork, Legacy: true, ErrFD: -1}); pid != 0 || errno != 0 {
			t.Errorf("pid %d, %v", pid, errno)
		}
	}()
	testenv.Eventually(t, "the relay is stopped", func() bool { return testenv.StateOf(r.Relay()) == 'T' })
	if err := unix.Kill(r.Relay(), unix.SIGKILL); err != nil {
		t.Error(err)
	}
	<-done
	if _, _, failed := r.Failure(); failed {
		t.Error("it has failed")
	}
}

// Somebody who waits for really any child takes the relay, and no more.
func TestRelayIsStolen(t *testing.T) {
	r, pid, release := stuckRelay(t)
	defer r.Free()
	stolen := make(chan int)
	go func() {
		runtime.LockOSThread()
		var x Exit
		Wait4(-1, unix.WALL, &x)
		stolen <- x.PID
	}()
	relay := r.Relay()
	if err := unix.Kill(relay, unix.SIGKILL); err != nil {
		t.Error(err)
	}
	if got := <-stolen; got != relay {
		t.Errorf("%d was stolen, not %d", got, relay)
	}
	for !r.AwaitRelay(time.Second) {
	}
	release()
	if x := endRelayed(t, r, pid); x.Status.ExitStatus() != 6 {
		t.Errorf("%+v", x)
	}
}

func TestStartOfRelayDoesNotAllocate(t *testing.T) {
	var b Builder
	b.Relay(0, true)
	b.Call(1, ExitGroup, Int(0))
	r := NewRun(b.Build())
	defer r.Free()
	var x Exit
	n := testing.AllocsPerRun(200, func() {
		pid, errno := r.Start(Clone{Flags: vfork, Legacy: true, ErrFD: -1})
		if errno == 0 {
			errno = waitPid(pid, unix.WEXITED|unix.WALL, &x)
		}
		for !r.Await(time.Second) || !r.AwaitRelay(time.Second) {
		}
		if errno != 0 {
			t.Fatal(errno)
		}
		r.second.reset()
		r.tid = 0
	})
	if n != 0 && !testenv.Sanitized() {
		t.Errorf("%v allocations", n)
	}
}
