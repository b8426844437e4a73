//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package spawn_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"strconv"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestA7A12WaitingCostsNoThread waits for many children at once, also without pidfds.
func TestA7A12WaitingCostsNoThread(t *testing.T) {
	children := testenv.Rounds(200, 10_000)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < uint64(children+100) {
		testenv.Skip(t, "RLIMIT_NOFILE is too low")
	}
	for _, engine := range []string{"nothing", "pidfd", "waitid"} {
		t.Run("without "+engine, func(t *testing.T) {
			defer spawntest.Force(engine)()
			waitForMany(t, children)
		})
	}
}

func waitForMany(t *testing.T, children int) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	r, w := os.NewFile(uintptr(fds[0]), "r"), os.NewFile(uintptr(fds[1]), "w")
	defer r.Close()
	s := spawntest.WithActions(spawntest.Cat(t), func(a *spawn.FileActions) { a.File(r, 0) })
	s.Args = s.Args[:1]
	prog, err := spawn.Compile(s)
	if err != nil {
		t.Fatal(err)
	}
	before := testenv.CountThreads(t)
	var wg sync.WaitGroup
	for range children {
		p, err := prog.Start(context.Background())
		if err != nil {
			t.Error(err)
			break
		}
		wg.Go(func() {
			if state, err := p.Wait(context.Background()); err != nil || !state.Success() {
				t.Errorf("%v, %v", state, err)
			}
		})
	}
	time.Sleep(50 * time.Millisecond) // for all to park
	if n := testenv.CountThreads(t) - before; n >= 40 {
		t.Errorf("%d threads more for %d children", n, children)
	}
	w.Close() // ends all of them
	wg.Wait()
}

func TestA8ManyWaiters(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		p, end := spawntest.LiveChild(t)
		soon, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		if state, err := p.Wait(soon); state != nil || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, %v", state, err)
		}
		var wg sync.WaitGroup
		states := make([]*spawn.ProcessState, 20)
		for i := range states {
			wg.Go(func() {
				var err error
				if states[i], err = p.Wait(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
		end()
		wg.Wait()
		<-p.Done()
		// The end has come, so an ended context does not matter.
		last, err := p.Wait(soon)
		if err != nil || !last.Success() || last.Pid() != p.Pid() {
			t.Errorf("%v, %v", last, err)
		}
		for _, s := range states {
			if s != last {
				t.Errorf("%v and %v", s, last)
			}
		}
	})
}

func TestWaitIgnoresStop(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		p, end := spawntest.LiveChild(t)
		for _, sig := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT} {
			if err := p.Signal(sig); err != nil {
				t.Error(err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
			if state, err := p.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("after %v: %v, %v", sig, state, err)
			}
			cancel()
		}
		end()
	})
}

func TestA10StolenStatus(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		p := spawntest.Start(t, spawntest.Exits(t, 7))
		var ws unix.WaitStatus
		if _, err := unix.Wait4(p.Pid(), &ws, 0, nil); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := spawntest.StolenStatus(p.Wait(context.Background())); err != nil {
				t.Error(err)
			}
		}
		if err := p.Kill(); !errors.Is(err, os.ErrProcessDone) {
			t.Error(err)
		}
	})
}

// TestStolenStatusWhileWaiting competes with a waiter for the status.
func TestStolenStatusWhileWaiting(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		p, end := spawntest.LiveChild(t)
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = unix.Wait4(p.Pid(), nil, 0, nil) })
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
		state, err := p.Wait(context.Background())
		taken := errors.Is(err, spawn.ErrStatusTaken) && !spawntest.HasStolen()
		if !taken && (err != nil || state.Signal() != syscall.SIGKILL) {
			t.Errorf("%v, %v", state, err)
		}
		wg.Wait()
		end()
	})
}

// TestA11IgnoredSIGCHLD has the kernel reap all children.
func TestA11IgnoredSIGCHLD(t *testing.T) {
	s := spawntest.Helper(t, "ignore SIGCHLD", spawntest.Exits(t, 7).Path)
	out, state, err := spawntest.TryOutput(s)
	if err != nil || !state.Success() {
		t.Errorf("%v, %v: %s", state, err, out)
	}
	if want := spawn.Features().String(); out != want {
		t.Errorf("found features\n%s\nwant\n%s", out, want)
	}
}

var _ = testenv.RegisterHelper("ignore SIGCHLD", func(args []string) int {
	signal.Ignore(syscall.SIGCHLD)
	fmt.Print(spawn.Features())
	err := spawntest.EachEngineError(func(string) error {
		p, err := spawn.Start(context.Background(), &spawn.Spec{Path: args[0]})
		if err != nil {
			return err
		}
		if err := spawntest.StolenStatus(p.Wait(context.Background())); err != nil {
			return err
		}
		_, err = spawn.Start(context.Background(), &spawn.Spec{Path: "/missing/program"})
		if !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("a failed start: %w", err)
		}
		return nil
	})
	return testenv.Status(err)
})

func TestSignalAfterEnd(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		p := spawntest.Start(t, spawntest.Exits(t, 0))
		if _, err := p.Wait(context.Background()); err != nil {
			t.Fatal(err)
		}
		for i, err := range []error{
			p.Kill(), p.Signal(syscall.SIGTERM), p.Signal(syscall.Signal(0)),
			p.WithPidfd(func(uintptr) error { return nil }),
		} {
			if !errors.Is(err, os.ErrProcessDone) {
				t.Errorf("%d: %v", i, err)
			}
		}
	})
}

// TestA5NoStrangerIsHit gives the pid of a child that was reaped to another one.
func TestA5NoStrangerIsHit(t *testing.T) {
	testenv.NeedRoot(t)
	path := spawntest.Exits(t, 0)
	spawntest.EachEngine(t, func(t *testing.T) {
		for range 50 {
			p := spawntest.Start(t, path)
			if _, err := p.Wait(context.Background()); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte(strconv.Itoa(p.Pid()-1)), 0); err != nil {
				testenv.Skip(t, "no pid can be chosen: "+err.Error())
			}
			stranger, end := spawntest.LiveChild(t)
			same := stranger.Pid() == p.Pid()
			if same {
				if err := p.Kill(); !errors.Is(err, os.ErrProcessDone) {
					t.Error(err)
				}
				if _, err := p.Wait(context.Background()); err != nil {
					t.Error(err)
				}
			}
			end()
			if !same {
				continue // somebody else was faster
			}
			if state, err := stranger.Wait(context.Background()); err != nil || !state.Success() {
				t.Errorf("the stranger: %v, %v", state, err)
			}
			return
		}
		testenv.Skip(t, "pids are taken too fast")
	})
}

func TestWithPidfd(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		p, end := spawntest.LiveChild(t)
		defer end()
		mine := errors.New("mine")
		used := -1
		err := p.WithPidfd(func(fd uintptr) error {
			used = int(fd)
			if err := unix.PidfdSendSignal(used, 0, nil, 0); err != nil {
				t.Error(err)
			}
			if fl, err := unix.FcntlInt(fd, unix.F_GETFD, 0); err != nil || fl&unix.FD_CLOEXEC == 0 {
				t.Errorf("flags %d, %v", fl, err)
			}
			return mine
		})
		if !spawn.Features().Has(spawn.FeaturePidfd) {
			if !errors.Is(err, errors.ErrUnsupported) {
				t.Error(err)
			}
			return
		}
		if err != mine {
			t.Error(err)
		}
		if _, err := unix.FcntlInt(uintptr(used), unix.F_GETFD, 0); err != unix.EBADF {
			t.Errorf("the descriptor is still open: %v", err)
		}
	})
}

// TestA9A12Dropped forgets processes, that have ended and that will.
func TestA9A12Dropped(t *testing.T) {
	spawntest.NeedPidfd(t)
	spawntest.EachEngine(t, func(t *testing.T) {
		before := testenv.Settled()
		for range testenv.Rounds(10, 1200) {
			spawntest.Start(t, spawntest.Exits(t, 0))
		}
		testenv.Eventually(t, "all are reaped", func() bool {
			runtime.GC()
			return !testenv.HasZombie() && len(testenv.FDsSince(before)) == 0
		})
	})
}

func TestRelease(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		p, end := spawntest.LiveChild(t)
		if err := errors.Join(p.Release(), p.Release()); err != nil {
			t.Error(err)
		}
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
		<-p.Done()
		if err := unix.Waitid(unix.P_PID, p.Pid(), nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT|unix.WALL, nil); err != unix.ECHILD {
			t.Errorf("a zombie: %v", err)
		}
		if state, err := p.Wait(context.Background()); err != nil || state.Signal() != syscall.SIGKILL {
			t.Errorf("%v, %v", state, err)
		}
		end()
	})
}

func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	for code := range 256 {
		testenv.Program(t, filepath.Join(dir, strconv.Itoa(code)), code)
	}
	spawntest.EachEngine(t, func(t *testing.T) {
		step := 17
		if t.Name() == "TestExitCodes/without_nothing" {
			step = 1
		}
		for code := 0; code < 256; code += step {
			state, err := spawn.Run(context.Background(), &spawn.Spec{Path: filepath.Join(dir, strconv.Itoa(code))})
			if err != nil {
				t.Fatal(err)
			}
			if !state.Exited() || state.ExitCode() != code || state.Signaled() || state.Success() != (code == 0) {
				t.Errorf("exit %d: %v", code, state)
			}
			if want := fmt.Sprintf("exit status %d", code); state.String() != want {
				t.Errorf("%q, want %q", state, want)
			}
		}
	})
}

func TestKilledBy(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		for _, sig := range []syscall.Signal{
			syscall.SIGHUP, syscall.SIGINT, syscall.SIGKILL, syscall.SIGPIPE, syscall.SIGTERM, syscall.SIGUSR1, 34, 64,
		} {
			p, end := spawntest.LiveChild(t)
			if err := p.Signal(sig); err != nil {
				t.Error(err)
			}
			state, err := p.Wait(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if state.Exited() || state.ExitCode() != -1 || !state.Signaled() || state.Signal() != sig || state.Success() {
				t.Errorf("%v: %v", sig, state)
			}
			if ws, ok := state.Sys().(syscall.WaitStatus); !ok || ws.CoreDump() || ws.Signal() != sig {
				t.Errorf("%v: %#v", sig, state.Sys())
			}
			end()
		}
	})
}

func TestCoreDumped(t *testing.T) {
	pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	core := testenv.GetLimit(t, unix.RLIMIT_CORE)
	if err != nil || strings.HasPrefix(string(pattern), "|") || strings.Contains(string(pattern), "/") || core.Max < 1<<20 {
		testenv.Skip(t, "cores are not written to the working directory")
	}
	spawntest.EachEngine(t, func(t *testing.T) {
		dir := t.TempDir()
		p, end := spawntest.LiveChildIn(t, dir, attr.Rlimit{Resource: unix.RLIMIT_CORE, Soft: core.Max, Hard: core.Max})
		defer end()
		if err := p.Signal(syscall.SIGABRT); err != nil {
			t.Fatal(err)
		}
		state, err := p.Wait(context.Background())
		if err != nil || !state.Sys().(syscall.WaitStatus).CoreDump() || state.Signal() != syscall.SIGABRT {
			t.Errorf("%v, %v", state, err)
		}
		if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
			t.Errorf("%v, %v", files, err)
		}
	})
}

var _ = testenv.RegisterHelper("burn", func([]string) int {
	memory := make([]byte, 32<<20)
	for begin := time.Now(); time.Since(begin) < 40*time.Millisecond; {
		for i := 0; i < len(memory); i += 4096 {
			memory[i]++
		}
	}
	runtime.KeepAlive(memory)
	return 0
})

func TestUsage(t *testing.T) {
	for _, name := range []string{"nothing", "pidfd", "anything"} {
		restore := spawntest.Force(name)
		state, err := spawn.Run(context.Background(), spawntest.Helper(t, "burn"))
		restore()
		if err != nil || !state.Success() {
			t.Fatalf("%v, %v", state, err)
		}
		if rss := state.MaxRSS(); rss < 32<<20 || rss > 4<<30 {
			t.Errorf("maximum resident set size %d", rss)
		}
		if cpu := state.UserTime() + state.SystemTime(); cpu < time.Millisecond || cpu > time.Minute {
			t.Errorf("CPU time %v", cpu)
		}
		if u := state.Rusage(); int64(u.Maxrss)<<10 != state.MaxRSS() || u.Minflt < 32 {
			t.Errorf("%+v", u)
		}
	}
}

func TestConcurrentRuns(t *testing.T) {
	s := spawntest.Exits(t, 7)
	spawntest.EachEngine(t, func(t *testing.T) {
		before := testenv.Settled()
		total := testenv.Rounds(640, 2000)
		if t.Name() != "TestConcurrentRuns/without_nothing" {
			total = 128
		}
		prog, err := spawn.Compile(s)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				for range total / 64 {
					if state, err := prog.Run(context.Background()); err != nil || state.ExitCode() != 7 {
						t.Errorf("%v, %v", state, err)
					}
				}
			})
		}
		wg.Wait()
		testenv.CheckFDs(t, before)
	})
}

// TestEventsEachEngine wants events in each way to know a child, and none of children
// whose stops are somebody else's.
func TestEventsEachEngine(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		p, end := reader(t)
		var kinds []spawn.ProcessEventKind
		var failed error
		if err := p.Signal(syscall.SIGSTOP); err != nil {
			t.Error(err)
		}
		for e, err := range p.Events(t.Context()) {
			kinds = append(kinds, e.Kind)
			failed = err
			if e.Kind == spawn.ProcessStopped {
				_ = p.Signal(syscall.SIGCONT) // or the test hangs
				end()
			}
		}
		if errors.Is(failed, errors.ErrUnsupported) { // without waitid
			_ = p.Signal(syscall.SIGCONT) // or the test hangs
			end()
		} else if failed != nil || kinds[0] != spawn.ProcessStopped || kinds[len(kinds)-1] != spawn.ProcessEnded {
			t.Errorf("%v, %v", kinds, failed)
		}
		if state, err := p.Wait(t.Context()); err != nil || state.ExitCode() != 7 {
			t.Errorf("%v, %v", state, err)
		}
	})
	p, end := reader(t)
	defer end()
	if spawn.Features().Has(spawn.FeaturePidfd) {
		q, err := spawn.Attach(p.Pid())
		if err != nil {
			t.Fatal(err)
		}
		for e, err := range q.Events(t.Context()) {
			if !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("attached: %v, %v", e, err)
			}
		}
		_ = q.Release() // nil
	}
}
