//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"
	"golang.org/x/sys/unix"

	"strconv"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/handover"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestHookMayCall has a hook of the logger call all methods of the process that it
// hears of, and start another one.
func TestHookMayCall(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		var p *spawn.Process
		var mu sync.Mutex
		called := 0
		hook := hook(func(e zapcore.Entry) error {
			if e.Message != "exited" {
				return nil
			}
			defer func() {
				mu.Lock()
				defer mu.Unlock()
				called++
			}()
			ctx := context.Background()
			_, werr := p.Wait(ctx)
			if err := errors.Join(werr, p.WaitExited(ctx), p.Release()); err != nil {
				t.Error(err)
			}
			for _, err := range []error{p.Signal(syscall.SIGTERM), p.Kill(), p.WithPidfd(func(uintptr) error { return nil })} {
				if !errors.Is(err, os.ErrProcessDone) {
					t.Error(err)
				}
			}
			p.Done()
			handover.Disown(p)
			return nil
		})
		calls := func() int {
			mu.Lock()
			defer mu.Unlock()
			return called
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		waits := []func(p *spawn.Process){
			func(p *spawn.Process) { _, _ = p.Wait(context.Background()) },
			func(p *spawn.Process) { _, _ = p.Wait(ctx) },
			func(p *spawn.Process) { <-p.Done(); _, _ = p.Wait(ctx) },
		}
		for i, wait := range waits {
			for _, script := range []string{":", "sleep 0.01"} {
				before := calls()
				s := spawntest.Shell(script)
				s.Logger = hook
				p = spawntest.Start(t, s)
				wait(p)
				if calls() != before+1 {
					t.Errorf("wait %d returned before the end was logged", i)
				}
			}
		}
	})
}

// hook is a logger that is called with each entry. Package zap would link net/http.
type hook func(zapcore.Entry) error

func (h hook) Check(level zapcore.Level, message string) *zapcore.CheckedEntry {
	var taken *zapcore.CheckedEntry
	return taken.AddCore(zapcore.Entry{Level: level, Message: message}, hookCore{hook: h})
}

type hookCore struct {
	zapcore.Core
	hook hook
}

func (c hookCore) Write(e zapcore.Entry, _ []zapcore.Field) error { return c.hook(e) }

// TestWarningHookMayStart has a hook start a child while it hears of what the kernel
// lacks, which is once a process.
func TestWarningHookMayStart(t *testing.T) {
	spawntest.Succeeds(t, spawntest.Helper(t, "warning hook"))
}

var _ = testenv.RegisterHelper("warning hook", func([]string) int {
	defer spawntest.Force("anything")()
	warnings := 0
	s := spawntest.Shell("exit 7")
	s.Logger = hook(func(e zapcore.Entry) error {
		if e.Level == zapcore.WarnLevel {
			warnings++
			_, err := spawn.Run(context.Background(), s)
			return err
		}
		return nil
	})
	state, err := spawn.Run(context.Background(), s)
	if err != nil || state.ExitCode() != 7 || warnings == 0 {
		fmt.Println(state, err, warnings)
		return 1
	}
	return 0
})

// TestPidfdStaysBlocking looks at copies of a pidfd that are made before somebody
// waits, and after.
func TestPidfdStaysBlocking(t *testing.T) {
	if !spawn.Features().Has(spawn.FeaturePidfd) {
		testenv.Skip(t, "no pidfds")
	}
	p, end := spawntest.LiveChild(t)
	var copies []int
	dup := func() {
		err := p.WithPidfd(func(fd uintptr) error {
			n, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 3)
			copies = append(copies, n)
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	dup()
	soon, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := p.Wait(soon); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	dup()
	for i, fd := range copies {
		if fl, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || fl&unix.O_NONBLOCK != 0 {
			t.Errorf("copy %d: flags %#x, %v", i, fl, err)
		}
		unix.Close(fd)
	}
	end()
	if state, err := p.Wait(context.Background()); err != nil || !state.Success() {
		t.Errorf("%v, %v", state, err)
	}
}

// TestStatusOfIgnored loses no status although the kernel reaps all children by
// itself.
func TestStatusOfIgnored(t *testing.T) {
	rounds := testenv.Rounds(600, 100_000)
	if testing.Short() {
		rounds = 100
	}
	spawntest.Succeeds(t, spawntest.Helper(t, "statuses of ignored", spawntest.Exits(t, 7).Path, strconv.Itoa(rounds)))
}

var _ = testenv.RegisterHelper("statuses of ignored", func(args []string) int {
	signal.Ignore(syscall.SIGCHLD)
	var rounds int
	_, _ = fmt.Sscan(args[1], &rounds)
	prog, err := spawn.Compile(&spawn.Spec{Path: args[0]})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	lost := 0
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range 8 {
		wg.Go(func() {
			for range rounds / 8 {
				p, err := prog.Start(context.Background())
				if err == nil {
					err = spawntest.StolenStatus(p.Wait(context.Background()))
				}
				if err != nil {
					mu.Lock()
					lost++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if lost > 0 {
		fmt.Println(lost, "lost of", rounds)
		return 1
	}
	return 0
})

// TestNoPermissionToKill has a parent that may change ids and may not signal what
// has changed them.
func TestNoPermissionToKill(t *testing.T) {
	testenv.NeedRoot(t)
	s := spawntest.Helper(t, "may not kill")
	spawntest.RunByNobody(t, s)
	s.Attr = append(s.Attr, attr.AmbientCaps{unix.CAP_SETUID, unix.CAP_SETGID})
	spawntest.Succeeds(t, s)
}

var _ = testenv.RegisterHelper("may not kill", func([]string) int {
	err := spawntest.EachEngineError(func(string) error {
		before := testenv.Leftovers()
		hold, w, err := os.Pipe()
		if err != nil {
			return err
		}
		ready, told, err := os.Pipe()
		if err != nil {
			return err
		}
		for _, f := range []*os.File{hold, ready, told} {
			_ = f.Fd() // blocking
			defer f.Close()
		}
		s := spawntest.WithActions(spawntest.Shell("echo; read x; exit 7", attr.Credential{UID: testenv.Nobody - 1, GID: testenv.Nobody, KeepGroups: true}),
			func(a *spawn.FileActions) { a.File(hold, 0); a.File(told, 1) })

		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			_, _ = ready.Read(make([]byte, 1))
			time.Sleep(50 * time.Millisecond) // for Start to be over
			cancel()
		}()
		state, err := spawn.Run(ctx, s)
		if state != nil || !errors.Is(err, context.Canceled) || !errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("Run: %v, %w", state, err)
		}
		p, err := spawn.Start(context.Background(), s)
		if err != nil {
			return err
		}
		if err := p.Kill(); !errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("Kill: %w", err)
		}
		w.Close()
		if state, err := p.Wait(context.Background()); err != nil || state.ExitCode() != 7 {
			return fmt.Errorf("Wait: %v, %w", state, err)
		}
		for _, f := range []*os.File{hold, ready, told} {
			f.Close()
		}
		if !testenv.Soon(func() bool { return len(testenv.LeftoversSince(before)) == 0 }) {
			return fmt.Errorf("left: %v", testenv.LeftoversSince(before))
		}
		return nil
	})
	return testenv.Status(err)
})
