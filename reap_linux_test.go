//go:build !android

package spawn_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/orphans"
	"github.com/safespawn/spawn/internal/raw"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// reap runs a helper in which orphans are reaped, so that this process becomes nobody's
// parent.
func reap(t *testing.T, name string, args ...string) {
	t.Helper()
	c := osexec.Command(testenv.Self(t), testenv.HelperArgs(name, args...)...)
	if out, err := c.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
}

// shortGrace is how long a child stays for those whom Reap can't know.
const shortGrace = 100 * time.Millisecond

// reaping runs f while orphans are reaped, and says what is wrong.
func reaping(f func() error) int {
	defer orphans.GraceForTest(shortGrace)()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- spawn.Reap(ctx) }()
	err := f()
	cancel()
	if end := <-done; !errors.Is(end, context.Canceled) {
		err = errors.Join(err, end)
	}
	if is, _ := raw.IsSubreaper(); is {
		err = errors.Join(err, errors.New("still a subreaper"))
	}
	return testenv.Status(err)
}

// untilSubreaper waits until orphans come here.
func untilSubreaper() error {
	if !testenv.Soon(func() bool {
		is, err := raw.IsSubreaper()
		return is || err != nil
	}) {
		return errors.New("nobody reaps orphans")
	}
	return nil
}

// TestA10ReapBesideOthers has many orphans be reaped, and children of all
// kinds tell their true status to those who wait for them.
func TestA10ReapBesideOthers(t *testing.T) {
	spawntest.NeedPidfd(t)
	dir := t.TempDir()
	for i := range 8 {
		testenv.Program(t, filepath.Join(dir, strconv.Itoa(i)), i)
	}
	reap(t, "reap", dir, strconv.Itoa(testenv.Rounds(200, 10_000)))
}

var _ = testenv.RegisterHelper("reap", func(args []string) int {
	dir := args[0]
	n, _ := strconv.Atoi(args[1])
	return reaping(func() error {
		if err := untilSubreaper(); err != nil {
			return err
		}
		ctx, calm := context.WithCancel(context.Background())
		var storm, spawns sync.WaitGroup
		made := 0
		storm.Go(func() {
			for ctx.Err() == nil {
				made++
				_ = osexec.Command("/bin/sh", "-c", `for i in 1 2 3 4 5 6 7 8; do "$0" & done`, dir+"/5").Run()
			}
		})
		var mu sync.Mutex
		var failed error
		for k, start := range starters {
			spawns.Go(func() {
				for i := range n / len(starters) {
					want, begin := i%8, time.Now()
					got, err := start(dir + "/" + strconv.Itoa(want))
					if k == byPid && errors.Is(err, syscall.ECHILD) && time.Since(begin) > shortGrace {
						continue // on a busy machine it waits too late
					}
					if err != nil || got != want {
						mu.Lock()
						failed = errors.Join(failed, fmt.Errorf("starter %d: %d, want %d: %w", k, got, want, err))
						mu.Unlock()
					}
				}
			})
		}
		spawns.Wait()
		calm()
		storm.Wait()
		if !testenv.Soon(func() bool { return !testenv.HasChild() }) {
			return errors.Join(failed, fmt.Errorf("orphans are left of %d shells", made))
		}
		return failed
	})
})

// byPid is the starter that Reap cannot know: it waits by the pid alone.
const byPid = 3

// starters start a program, wait for it in their ways, and return its status.
var starters = []func(path string) (int, error){
	func(path string) (int, error) { // spawn
		state, err := spawn.Run(context.Background(), &spawn.Spec{Path: path})
		if err != nil {
			return -1, err
		}
		return state.ExitCode(), nil
	},
	func(path string) (int, error) { // package exec
		c := exec.Command(path)
		if err := c.Run(); err != nil && c.ProcessState == nil {
			return -1, err
		}
		return c.ProcessState.ExitCode(), nil
	},
	func(path string) (int, error) { // os/exec
		c := osexec.Command(path)
		if err := c.Run(); err != nil && c.ProcessState == nil {
			return -1, err
		}
		return c.ProcessState.ExitCode(), nil
	},
	func(path string) (int, error) { // syscall.ForkExec, and a wait at once
		pid, err := syscall.ForkExec(path, []string{path}, nil)
		if err != nil {
			return -1, err
		}
		return wait4(pid)
	},
}

func wait4(pid int) (int, error) {
	for {
		var status syscall.WaitStatus
		if _, err := syscall.Wait4(pid, &status, 0, nil); err != syscall.EINTR {
			return status.ExitStatus(), err
		}
	}
}

// TestReapLeavesLateWaiters has somebody wait for a child long after its end.
func TestReapLeavesLateWaiters(t *testing.T) {
	spawntest.NeedPidfd(t)
	reap(t, "late", testenv.Program(t, filepath.Join(t.TempDir(), "program"), 7))
}

var _ = testenv.RegisterHelper("late", func(args []string) int {
	return reaping(func() error {
		if err := untilSubreaper(); err != nil {
			return err
		}
		fd := -1
		pid, err := syscall.ForkExec(args[0], args, &syscall.ProcAttr{Sys: &syscall.SysProcAttr{PidFD: &fd}})
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		c := osexec.Command(args[0])
		if err := c.Start(); err != nil {
			return err
		}
		p, err := spawn.Start(context.Background(), &spawn.Spec{Path: args[0]})
		if err != nil {
			return err
		}
		released := osexec.Command(args[0]) // which is nobody's then
		if err := errors.Join(released.Start(), released.Process.Release()); err != nil {
			return err
		}
		_ = osexec.Command("/bin/sh", "-c", `"$0" & "$0" &`, args[0]).Run()
		if !testenv.Soon(func() bool { return zombies() <= 3 }) {
			return fmt.Errorf("%d zombies", zombies())
		}
		time.Sleep(150 * time.Millisecond) // more than they would have if they were orphans
		if n, err := wait4(pid); n != 7 || err != nil {
			return fmt.Errorf("syscall.ForkExec: %d, %w", n, err)
		}
		if err := c.Wait(); c.ProcessState == nil || c.ProcessState.ExitCode() != 7 {
			return fmt.Errorf("os/exec: %w", err)
		}
		if state, err := p.Wait(context.Background()); err != nil || state.ExitCode() != 7 {
			return fmt.Errorf("spawn: %v, %w", state, err)
		}
		if testenv.HasChild() {
			return errors.New("a child is left")
		}
		return nil
	})
})

// zombies counts the children that have ended.
func zombies() (n int) {
	list, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range list {
		var pid, parent int
		var comm string
		var state byte
		text, _ := os.ReadFile(name)
		if k, _ := fmt.Sscanf(string(text), "%d %s %c %d", &pid, &comm, &state, &parent); k == 4 && state == 'Z' && parent == os.Getpid() {
			n++
		}
	}
	return n
}

// TestReapTwice wants a second call to wait for the first, and to do its work then.
func TestReapTwice(t *testing.T) {
	spawntest.NeedPidfd(t)
	reap(t, "twice")
}

var _ = testenv.RegisterHelper("twice", func([]string) int {
	defer orphans.GraceForTest(100 * time.Millisecond)()
	var ends [2]context.CancelFunc
	var over [2]chan error
	for i := range ends {
		ctx, end := context.WithCancel(context.Background())
		ends[i], over[i] = end, make(chan error, 1)
		go func() { over[i] <- spawn.Reap(ctx) }()
		if err := untilSubreaper(); err != nil {
			return testenv.Status(err)
		}
	}
	time.Sleep(10 * time.Millisecond) // the second is under way
	var all error
	for i := range ends {
		if err := untilSubreaper(); err != nil { // which the end of the first has undone
			return testenv.Status(fmt.Errorf("call %d: %w", i, err))
		}
		_ = osexec.Command("/bin/sh", "-c", "exit 0 &").Run()
		if !testenv.Soon(func() bool { return !testenv.HasChild() }) {
			all = errors.Join(all, fmt.Errorf("call %d leaves orphans", i))
		}
		ends[i]()
		if err := <-over[i]; !errors.Is(err, context.Canceled) {
			all = errors.Join(all, err)
		}
	}
	if is, _ := raw.IsSubreaper(); is {
		all = errors.Join(all, errors.New("still a subreaper"))
	}
	return testenv.Status(all)
})
