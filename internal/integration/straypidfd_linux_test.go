//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/handover"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// pidfdNumbers are the numbers of the pidfds of this process.
func pidfdNumbers() map[int]bool {
	set := map[int]bool{}
	for fd := range 1024 {
		var buf [64]byte
		n, err := unix.Readlink("/proc/self/fd/"+strconv.Itoa(fd), buf[:])
		if err == nil && strings.Contains(string(buf[:n]), "pidfd") {
			set[fd] = true
		}
	}
	return set
}

// liveWithPidfd is a child that lives until it is sent a SIGTERM, and the number of
// its pidfd.
func liveWithPidfd(t *testing.T) (p *spawn.Process, fd int) {
	t.Helper()
	testenv.Settled() // no lower number becomes free meanwhile
	before := pidfdNumbers()
	p = spawntest.Start(t, &spawn.Spec{Path: "/bin/sleep", Args: []string{"sleep", "1000"}})
	for fd = range pidfdNumbers() {
		if !before[fd] {
			return p, fd
		}
	}
	_ = p.Kill()
	testenv.Skip(t, "no pidfd")
	return nil, 0
}

// replace has a file of somebody's be where a pidfd was.
func replace(t *testing.T, from, fd int) {
	t.Helper()
	if err := unix.Dup3(from, fd, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
}

func wantKilled(t *testing.T, p *spawn.Process) {
	t.Helper()
	if err := p.Kill(); err != nil {
		t.Error(err)
	}
	state, err := p.Wait(context.Background())
	if err != nil || state.Pid() != p.Pid() || state.Signal() != syscall.SIGKILL {
		t.Errorf("got %v, %v", state, err)
	}
}

// end ends a child by its pid.
func end(t *testing.T, p *spawn.Process) {
	if err := unix.Kill(p.Pid(), unix.SIGTERM); err != nil {
		t.Error(err)
	}
}

func wantEnded(t *testing.T, p *spawn.Process) {
	t.Helper()
	state, err := p.Wait(context.Background())
	if err != nil || state.Pid() != p.Pid() || state.Signal() != syscall.SIGTERM {
		t.Errorf("got %v, %v", state, err)
	}
}

// TestStrayPidfd has other code close the pidfd of a child. Its number comes to
// another child's pidfd, to that of a child that is none of the library's, or to a
// file: these are not killed, waited for, or closed, and the first child is.
func TestStrayPidfd(t *testing.T) {
	if !spawn.Features().Has(spawn.FeaturePidfd) {
		testenv.Skip(t, "no pidfds")
	}
	t.Run("another child", func(t *testing.T) {
		first, fd := liveWithPidfd(t)
		testenv.StrayClose(t, fd)
		second, n := liveWithPidfd(t)
		if n != fd {
			t.Fatalf("the second has %d, not %d", n, fd)
		}
		wantKilled(t, first)
		end(t, second)
		wantEnded(t, second)
	})
	t.Run("handed over", func(t *testing.T) {
		if !spawn.Features().Has(spawn.FeatureWaitid) {
			testenv.Skip(t, "no waitid")
		}
		o := handover.Option{Take: true}
		first, err := handover.Start(t.Context(), &spawn.Spec{Path: "/bin/true"}, &o)
		if err != nil {
			t.Fatal(err)
		}
		if !o.Claim.Holds(o.Pidfd) {
			t.Error("the number is not claimed")
		}
		testenv.StrayClose(t, o.Pidfd)
		second, n := liveWithPidfd(t)
		if n != o.Pidfd {
			t.Fatalf("the second has %d, not %d", n, o.Pidfd)
		}
		if o.Claim.Holds(n) {
			t.Error("the number is claimed by two")
		}
		wantKilled(t, second)
		if _, err := first.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	})
	for what, wait := range map[string]func(p *spawn.Process){
		"Kill": func(p *spawn.Process) { wantKilled(t, p) },
		"Wait": func(p *spawn.Process) { wantEnded(t, p) },
		"WaitExited": func(p *spawn.Process) {
			if err := p.WaitExited(context.Background()); err != nil {
				t.Error(err)
			}
			wantEnded(t, p)
		},
		"Done": func(p *spawn.Process) {
			testenv.Await(t, "the end", p.Done())
			wantEnded(t, p)
		},
	} {
		t.Run("stranger/"+what, func(t *testing.T) {
			c := exec.Command("/bin/sleep", "1000")
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			theirs, err := unix.PidfdOpen(c.Process.Pid, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(theirs)
			p, fd := liveWithPidfd(t)
			replace(t, theirs, fd)
			if what != "Kill" {
				time.AfterFunc(10*time.Millisecond, func() { end(t, p) })
			}
			wait(p)
			if err := unix.Close(fd); err != nil {
				t.Errorf("a stranger's pidfd was closed: %v", err)
			}
			if err := c.Process.Signal(syscall.SIGTERM); err != nil {
				t.Error(err)
			}
			err = c.Wait()
			if status, ok := c.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGTERM {
				t.Errorf("the stranger: %v", err)
			}
		})
		t.Run("file/"+what, func(t *testing.T) {
			file, err := os.Open("/dev/zero")
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			p, fd := liveWithPidfd(t)
			replace(t, int(file.Fd()), fd)
			if what != "Kill" {
				time.AfterFunc(10*time.Millisecond, func() { end(t, p) })
			}
			wait(p)
			if err := unix.Close(fd); err != nil {
				t.Errorf("somebody's file was closed: %v", err)
			}
		})
	}
	t.Run("WithPidfd", func(t *testing.T) {
		p, fd := liveWithPidfd(t)
		null, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer null.Close()
		replace(t, int(null.Fd()), fd)
		if err := p.WithPidfd(func(uintptr) error { return nil }); err == nil {
			t.Error("somebody's file was lent")
		}
		wantKilled(t, p)
		if err := unix.Close(fd); err != nil {
			t.Errorf("somebody's file was closed: %v", err)
		}
	})
}

// TestStrayPidfdWhileParked has other code close the pidfd that somebody has parked on,
// and nothing come to its number: the poller never tells.
func TestStrayPidfdWhileParked(t *testing.T) {
	p, fd := liveWithPidfd(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		wantEnded(t, p)
	}()
	time.Sleep(10 * time.Millisecond) // for it to park
	if err := unix.Close(fd); err != nil {
		t.Fatal(err)
	}
	end(t, p)
	<-done
}
