//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// trueStatus runs programs that exit with status 7, and counts the ends. Every error is
// an *ExitError with the status, or says that the status was taken.
func trueStatus(rounds int) (found, taken int, err error) {
	for round := range rounds {
		c := exec.Command("/bin/sh", "-c", "exit 7")
		c.Tree = round%4 == 3
		werr := c.Run()
		var exit *exec.ExitError
		switch {
		case errors.As(werr, &exit) && exit.ExitCode() == 7 && exit.Pid() == c.Process.Pid && exit.SystemTime() >= 0:
			found++
		case errors.Is(werr, spawn.ErrStatusTaken) && errors.Is(werr, syscall.ECHILD):
			taken++
		default:
			return found, taken, fmt.Errorf("Wait: %w", werr)
		}
	}
	return found, taken, nil
}

var _ = testenv.RegisterHelper("status beside", func(args []string) int {
	switch args[0] {
	case "a thief":
		defer spawntest.Thieves(1)()
	case "ignored":
		signal.Ignore(syscall.SIGCHLD)
	}
	found, taken, err := trueStatus(number(args[1]))
	fmt.Println(found, taken > 0, err)
	return 0
})

// TestA10A11TrueStatus wants the true statuses beside a loop of wait4(-1), and with
// SIGCHLD ignored, where the kernel tells, and elsewhere ErrStatusTaken.
func TestA10A11TrueStatus(t *testing.T) {
	rounds := testenv.Rounds(60, 10_000)
	for _, beside := range []string{"a thief", "ignored"} {
		out := spawntest.Output(t, spawntest.Helper(t, "status beside", beside, fmt.Sprint(rounds)))
		want := fmt.Sprintln(rounds, false, nil)
		if !spawn.Features().Has(spawn.FeaturePidfdInfo) {
			var found int
			var taken bool
			if _, err := fmt.Sscan(out, &found, &taken); err == nil {
				want = fmt.Sprintln(found, found < rounds, nil)
			}
		}
		if out != want {
			t.Errorf("beside %s: %q, want %q", beside, out, want)
		}
	}
}

// TestWaitedByPid has somebody who knows the pid reap the child before Wait.
func TestWaitedByPid(t *testing.T) {
	eachMaking(t, func(t *testing.T) {
		c := exec.Command("/bin/sh", "-c", "exit 5")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := syscall.Wait4(c.Process.Pid, nil, 0, nil); err != nil {
			t.Fatal(err)
		}
		err := c.Wait()
		var exit *exec.ExitError
		if !errors.Is(err, spawn.ErrStatusTaken) && (!errors.As(err, &exit) || exit.ExitCode() != 5) {
			t.Error(err)
		}
		if err := c.Process.Kill(); err != os.ErrProcessDone {
			t.Error(err)
		}
		_ = c.Process.Release()
	})
}

// dropped starts children, to be forgotten, that end when end is called.
func dropped(t *testing.T, n int, tree bool) (all []*exec.Cmd, end func()) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for range n {
		c := exec.Command("/bin/cat")
		c.Stdin, c.Tree = r, tree
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all, func() { w.Close() }
}

// dropAlive starts children, and forgets them.
func dropAlive(t *testing.T, n int) (pids []int, end func()) {
	all, end := dropped(t, n, false)
	for _, c := range all {
		pids = append(pids, c.Process.Pid)
	}
	return pids, end
}

// TestA9A12Dropped forgets children, some of which end before they are collected, and
// others later. No zombie and no descriptor is left.
func TestA9A12Dropped(t *testing.T) {
	spawntest.NeedPidfd(t)
	before := settledPidfds()
	for _, tree := range []bool{false, true} {
		n, living := testenv.Rounds(20, 10_000), 5
		if tree {
			n, living = 5, 0 // who forgets a tree that lives leaves its control group
		}
		endAll := func() {
			all, end := dropped(t, n, tree)
			end()
			for _, c := range all {
				testenv.Eventually(t, "it has ended", func() bool { return testenv.IsOver(c.Process.Pid) })
			}
		}
		endAll()
		pids, endAlive := dropAlive(t, living)
		testenv.Eventually(t, "the pidfds of those that have ended are closed", func() bool {
			runtime.GC()
			return pidfds() <= before+living
		})
		for _, pid := range pids {
			if testenv.IsOver(pid) {
				t.Errorf("%d has ended", pid)
			}
		}
		endAlive()
		testenv.Eventually(t, "no child is left", func() bool {
			runtime.GC()
			return !testenv.HasChild() && pidfds() == before
		})
	}
}

// TestDroppedCmdOnly forgets the Cmd and keeps what it has given.
func TestDroppedCmdOnly(t *testing.T) {
	for name, keep := range map[string]func(c *exec.Cmd) func() (int, error){
		"Process": func(c *exec.Cmd) func() (int, error) {
			return func() (int, error) {
				s, err := c.Process.Wait()
				if err != nil {
					return 0, err
				}
				return s.ExitCode(), nil
			}
		},
		"Spawned": func(c *exec.Cmd) func() (int, error) {
			p := c.Spawned()
			return func() (int, error) {
				s, err := p.Wait(context.Background())
				if err != nil {
					return 0, err
				}
				return s.ExitCode(), nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			wait := func() func() (int, error) {
				c := exec.Command("/bin/sh", "-c", "exit 5")
				if err := c.Start(); err != nil {
					t.Fatal(err)
				}
				return keep(c)
			}()
			for range 3 {
				runtime.GC()
			}
			if code, err := wait(); code != 5 || err != nil {
				t.Error(code, err)
			}
		})
	}
}

// TestSpawned waits by the Cmd and by its spawn.Process, in any order. There is one pidfd.
func TestSpawned(t *testing.T) {
	spawntest.NeedPidfd(t)
	byCmd := func(c *exec.Cmd) (int, error) {
		var exit *exec.ExitError
		if err := c.Wait(); !errors.As(err, &exit) {
			return 0, err
		}
		return exit.ExitCode(), nil
	}
	byProc := func(c *exec.Cmd) (int, error) {
		s, err := c.Spawned().Wait(context.Background())
		if err != nil {
			return 0, err
		}
		return s.ExitCode(), nil
	}
	for _, tree := range []bool{false, true} {
		for name, order := range map[string][]func(c *exec.Cmd) (int, error){
			"Cmd":     {byCmd, byProc, byCmd},
			"Process": {byProc, byCmd, byProc},
			"both":    {func(c *exec.Cmd) (int, error) { go byProc(c); return byCmd(c) }, byProc, byCmd},
		} {
			t.Run(fmt.Sprint(name, " ", tree), func(t *testing.T) {
				before := settledPidfds()
				c, end := exits(t, "5")
				c.Tree = tree
				if c.Spawned() != nil {
					t.Error("it was not started")
				}
				if err := c.Start(); err != nil {
					t.Fatal(err)
				}
				p := c.Spawned()
				if p != c.Spawned() || p.Pid() != c.Process.Pid {
					t.Error("another Process")
				}
				if n := pidfds() - before; n != 1 {
					t.Errorf("%d pidfds", n)
				}
				if err := p.Signal(syscall.Signal(0)); err != nil {
					t.Error(err)
				}
				end()
				for _, wait := range order {
					if code, err := wait(c); code != 5 || err != nil {
						t.Errorf("%d, %v", code, err)
					}
				}
				if err := p.Kill(); err != os.ErrProcessDone {
					t.Error(err)
				}
				testenv.Eventually(t, "no pidfd is left", func() bool { return pidfds() == before })
			})
		}
	}
}

// TestSpawnedLate asks for the Process of a child that is gone, in every way.
func TestSpawnedLate(t *testing.T) {
	eachMaking(t, func(t *testing.T) {
		before := settledPidfds()
		for name, gone := range map[string]func(c *exec.Cmd){
			"Wait":         func(c *exec.Cmd) { _ = c.Wait() },
			"Process.Wait": func(c *exec.Cmd) { _, _ = c.Process.Wait() },
			"wait4":        func(c *exec.Cmd) { _, _ = syscall.Wait4(c.Process.Pid, nil, 0, nil) },
		} {
			c := exec.Command("/bin/sh", "-c", "exit 5")
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			gone(c)
			p := c.Spawned()
			s, err := p.Wait(context.Background())
			if !errors.Is(err, spawn.ErrStatusTaken) && (err != nil || s.ExitCode() != 5) {
				t.Errorf("%s: %v, %v", name, s, err)
			}
			if err := p.Kill(); err != os.ErrProcessDone {
				t.Errorf("%s: %v", name, err)
			}
			_ = c.Wait() // whatever is left
		}
		testenv.Eventually(t, "no pidfd is left for another test to count", func() bool {
			runtime.GC()
			return pidfds() <= before
		})
	})
}

// TestSpawnedByOS is about a child that package os has made.
func TestSpawnedByOS(t *testing.T) {
	defer exec.ForceForeignOS()()
	c, end := exits(t, "5")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	p := c.Spawned()
	end()
	if err := p.WaitExited(context.Background()); err != nil {
		t.Error(err)
	}
	var exit *exec.ExitError
	if err := c.Wait(); !errors.As(err, &exit) {
		t.Error(err)
	}
	if s, err := p.Wait(context.Background()); err != nil || s.ExitCode() != 5 {
		t.Error(s, err)
	}
}

// TestSpawnedStopHolds has a group be stopped, whose leader has ended. Wait reaps it when
// that is over, because the number is the group's until then.
func TestSpawnedStopHolds(t *testing.T) {
	spawntest.NeedPidfd(t)
	const script = `trap "" USR1; sleep 1000 >&- & trap "exit 5" USR1; echo ready; wait`
	c := exec.Command("/bin/sh", "-c", script)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 100)); err != nil {
		t.Error(err)
	}
	p := c.Spawned()
	waited, stopped := make(chan error, 1), make(chan error, 1)
	go func() { waited <- c.Wait() }()
	go func() {
		_, err := p.Stop(context.Background(), spawn.StopStep{Signal: syscall.SIGUSR1})
		stopped <- err
	}()
	if err := p.WaitExited(context.Background()); err != nil {
		t.Error(err)
	}
	time.Sleep(10 * time.Millisecond) // for Wait to reap it; it must not
	const options = unix.WEXITED | unix.WNOHANG | unix.WNOWAIT
	if err := unix.Waitid(unix.P_PID, p.Pid(), nil, options, nil); err != nil {
		t.Errorf("the leader: %v", err)
	}
	if err := p.KillTree(); err != nil {
		t.Error(err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	var exit *exec.ExitError
	if err := <-waited; !errors.As(err, &exit) || exit.ExitCode() != 5 {
		t.Error(err)
	}
}

// TestA12OneHandleOfTree wants a child whose Cmd has a Logger and a Tree to have one pidfd.
func TestA12OneHandleOfTree(t *testing.T) {
	if !spawn.Features().Has(spawn.FeaturePidfd) {
		testenv.Skip(t, "no pidfds")
	}
	before := settledPidfds()
	c, end := exits(t, "0")
	c.Tree, c.Logger = true, zap.NewNop()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if n := pidfds() - before; n != 1 {
		t.Errorf("%d pidfds", n)
	}
	end()
	if err := c.Wait(); err != nil || pidfds() != before {
		t.Errorf("%d pidfds, %v", pidfds()-before, err)
	}
}

// TestReleasedIsLeft leaves a process that was released to whoever knows the pid.
func TestReleasedIsLeft(t *testing.T) {
	pid := func() int {
		c := exec.Command("/bin/sh", "-c", "exit 5")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		pid := c.Process.Pid
		if err := c.Process.Release(); err != nil {
			t.Error(err)
		}
		return pid
	}()
	for range 3 {
		runtime.GC()
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, 0, nil); err != nil || status.ExitStatus() != 5 {
		t.Error(status, err)
	}
}

// TestPidFDIsLeft leaves a process to whoever has its pidfd.
func TestPidFDIsLeft(t *testing.T) {
	if !spawn.Features().Has(spawn.FeaturePidfd) {
		testenv.Skip(t, "no pidfds")
	}
	pidfd := func() (pidfd int) {
		c := exec.Command("/bin/true")
		c.SysProcAttr = &syscall.SysProcAttr{PidFD: &pidfd}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		return pidfd
	}()
	defer unix.Close(pidfd)
	for range 3 {
		runtime.GC()
	}
	time.Sleep(10 * time.Millisecond) // for whoever reaps it; nobody must
	if err := unix.Waitid(unix.P_PIDFD, pidfd, nil, unix.WEXITED, nil); err != nil {
		t.Error(err)
	}
}
