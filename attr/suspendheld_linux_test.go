//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec && !spawn_nolinkname

package attr_test

import (
	"context"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestCancelSuspended wants the context to end a start that takes long.
func TestCancelSuspended(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		s, _ := spawntest.Held(t)
		s.Attr = attr.List{attr.StartSuspended{}}
		spawntest.CancelHeld(t, s)
	})
}

// TestSignalsWhileTraced sends signals to a child that is on its way to execve. One
// would stop it if it were not blocked.
func TestSignalsWhileTraced(t *testing.T) {
	needPtrace(t)
	for name, traced := range map[string]func(t *testing.T, s *spawn.Spec){"Ptrace": runTraced, "StartSuspended": runSuspended} {
		t.Run(name, func(t *testing.T) {
			spawntest.EachEngine(t, func(t *testing.T) {
				s, fifo := spawntest.Held(t)
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					testenv.OnThread(func() { traced(t, s) })
				}()
				pid := 0
				testenv.Eventually(t, "a child", func() bool {
					pid, _ = strconv.Atoi(testenv.OnlyChild().PID())
					return pid != 0
				})
				for _, sig := range []unix.Signal{unix.SIGCONT, unix.SIGCHLD, unix.SIGWINCH, unix.SIGCONT} {
					if err := unix.Kill(pid, sig); err != nil {
						t.Error(err)
					}
				}
				w, err := testenv.OpenWriter(fifo)
				if err != nil {
					t.Fatal(err)
				}
				defer w.Close()
				testenv.Await(t, "the start", ended)
			})
		})
	}
}

func runSuspended(t *testing.T, s *spawn.Spec) {
	s.Attr = attr.List{attr.StartSuspended{}}
	p, err := spawn.Start(context.Background(), s)
	if err != nil {
		t.Error(err)
		return
	}
	checkSuspended(t, p)
	resume(t, p, 7)
}

// runTraced wants the signals to be pending at the first stop, and the child to be
// let through with the mask that it was to have.
func runTraced(t *testing.T, s *spawn.Spec) {
	s.Attr = attr.List{attr.Ptrace{}, attr.SigMask{unix.SIGWINCH}}
	p, err := spawn.Start(context.Background(), s)
	if err != nil {
		t.Error(err)
		return
	}
	var stop unix.WaitStatus
	if _, err := unix.Wait4(p.Pid(), &stop, 0, nil); err != nil || stop.StopSignal() != unix.SIGTRAP {
		t.Errorf("%#x, %v", stop, err)
	}
	if got := testenv.StatusOf(t, strconv.Itoa(p.Pid())).Status; got["SigBlk"] != "0000000008000000" {
		t.Errorf("mask %s", got["SigBlk"])
	}
	if err := unix.PtraceDetach(p.Pid()); err != nil {
		t.Error(err)
	}
	if state, err := p.Wait(context.Background()); err != nil || state.ExitCode() != 7 {
		t.Error(state, err)
	}
}
