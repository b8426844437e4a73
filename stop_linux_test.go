package spawn_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// never is a step that a test must not come to.
var never = spawn.StopStep{Signal: syscall.SIGUSR2, Grace: testenv.Patience}

// soon is a grace that is over before a process acts.
const soon = 20 * time.Millisecond

// script starts a script that prints a line when it is ready, and waits for the line.
func script(t *testing.T, text string, list ...attr.Attr) *spawn.Process {
	t.Helper()
	p, _ := scriptSays(t, text, list...)
	return p
}

// scriptSays is script, and returns the line.
func scriptSays(t *testing.T, text string, list ...attr.Attr) (p *spawn.Process, line string) {
	t.Helper()
	p, r := scriptTo(t, text, list...)
	defer r.Close()
	return p, readLine(t, r)
}

func readLine(t *testing.T, r *os.File) string {
	t.Helper()
	var buf [100]byte
	n, err := r.Read(buf[:])
	if err != nil {
		t.Error(err)
	}
	return strings.TrimSpace(string(buf[:n]))
}

// scriptTo starts a script that writes to r.
func scriptTo(t *testing.T, text string, list ...attr.Attr) (p *spawn.Process, r *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s := spawntest.WithActions(&spawn.Spec{Path: "/bin/sh", Args: []string{"sh", "-c", text}, Attr: list}, func(a *spawn.FileActions) {
		a.File(w, 1)
		a.Open(2, os.DevNull, os.O_WRONLY, 0) // shells say there who was killed
	})
	p = spawntest.Start(t, s)
	w.Close()
	return p, r
}

// loop is the end of a script that does not end by itself, and ends soon when its
// process has ended it.
const loop = "echo ready; exec >&-; while :; do sleep 0.02; done"

func waitFor(t *testing.T, p *spawn.Process) *spawn.ProcessState {
	t.Helper()
	state, err := p.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// TestA6StopSteps is row A6 of the promises.
func TestA6StopSteps(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			script string
			step   int
			signal syscall.Signal
		}{
			"ends by TERM": {loop, 0, syscall.SIGTERM},
			"ignores TERM": {"trap '' TERM; " + loop, 1, syscall.SIGKILL},
			"stopped":      {"echo ready; exec >&-; kill -STOP $$; while :; do sleep 0.02; done", 0, syscall.SIGTERM},
		} {
			for _, list := range []attr.List{nil, {attr.Setpgid{}}, {attr.Setsid{}}} {
				p := script(t, c.script, list...)
				grace := testenv.Patience
				if c.step == 1 {
					grace = soon
				}
				if name == "stopped" {
					testenv.Eventually(t, "the child is stopped", func() bool { return testenv.StateOf(p.Pid()) == 'T' })
				}
				r, err := p.Stop(t.Context(), spawn.Graceful(grace)...)
				if err != nil || r.Step != c.step || r.Left != 0 || r.Took <= 0 {
					t.Errorf("%s, %v: %+v, %v", name, list, r, err)
				}
				if state := waitFor(t, p); state.Signal() != c.signal {
					t.Errorf("%s, %v: %v", name, list, state)
				}
			}
		}
	})
}

// TestStopEnded stops children that have ended, and that were reaped.
func TestStopEnded(t *testing.T) {
	engine := spawn.Features().Has(spawn.FeatureEngine)
	spawntest.EachEngine(t, func(t *testing.T) {
		for _, list := range []attr.List{nil, {attr.Setpgid{}}} {
			p, _ := scriptSays(t, "echo", list...)
			testenv.Eventually(t, "the child has ended", func() bool { return testenv.StateOf(p.Pid()) == 'Z' })
			steps := []spawn.StopStep{{Signal: syscall.SIGTERM, Grace: testenv.Patience}, never}
			// The fallback sees the end only when it waits for it.
			if r, err := p.Stop(t.Context(), steps...); err != nil || r.Step > 0 || r.Left != 0 || engine && r.Step != -1 {
				t.Errorf("%v: %+v, %v", list, r, err)
			}
			if state := waitFor(t, p); !state.Success() {
				t.Errorf("%v: %v", list, state)
			}
			if r, err := p.Stop(t.Context(), never); err != nil || r.Step != -1 || r.Left != -len(list) {
				t.Errorf("%v, reaped: %+v, %v", list, r, err)
			}
			if err := p.KillTree(); !errors.Is(err, os.ErrProcessDone) && (list != nil || !errors.Is(err, spawn.ErrNoTree)) {
				t.Errorf("%v, reaped: %v", list, err)
			}
		}
	})
}

// TestA2StopLeaderGone stops a group whose leader has ended.
func TestA2StopLeaderGone(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		p, line := scriptSays(t, "sleep 60 >&- & echo $!", attr.Setpgid{})
		testenv.Eventually(t, "the child has ended", func() bool { return testenv.StateOf(p.Pid()) == 'Z' })
		r, err := p.Stop(t.Context(), spawn.Graceful(testenv.Patience)...)
		if err != nil || r.Step != 0 || r.Left != 0 {
			t.Errorf("%+v, %v", r, err)
		}
		if pid, err := strconv.Atoi(line); err != nil || !testenv.IsOver(pid) {
			t.Errorf("%q is alive: %v", line, err)
		}
		if state := waitFor(t, p); !state.Success() {
			t.Error(state)
		}
	})
}

func TestStopMisuse(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		p := script(t, loop, attr.Setpgid{})
		for _, steps := range [][]spawn.StopStep{nil, {{}}, {{Signal: os.Kill, Grace: -1}}, {never, {}}} {
			if r, err := p.Stop(t.Context(), steps...); !errors.Is(err, syscall.EINVAL) || r.Step != -1 {
				t.Errorf("%v: %+v, %v", steps, r, err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if r, err := p.Stop(ctx, spawn.Graceful(0)...); err != context.Canceled || r.Step != -1 || r.Left < 1 {
			t.Errorf("%+v, %v", r, err)
		}
		if err := p.Signal(syscall.Signal(0)); err != nil {
			t.Error(err)
		}
		if err := p.KillTree(); err != nil {
			t.Error(err)
		}
		waitFor(t, p)
	})
}

// TestA6StopCanceled wants the error of the context, and nothing more to be sent.
func TestA6StopCanceled(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		for _, list := range []attr.List{nil, {attr.Setpgid{}}} {
			p, out := scriptTo(t, "trap 'echo TERM' TERM; echo; while :; do sleep 0.02; done", list...)
			readLine(t, out)
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				readLine(t, out)
				cancel()
				out.Close()
			}()
			r, err := p.Stop(ctx, spawn.Graceful(testenv.Patience)...)
			if err != context.Canceled || r.Step != 0 || r.Left < 1 {
				t.Errorf("%+v, %v", r, err)
			}
			if r, err := p.Stop(t.Context(), spawn.StopStep{Signal: syscall.Signal(0), Grace: soon}); !errors.Is(err, spawn.ErrStillAlive) || r.Left < 1 {
				t.Errorf("%+v, %v", r, err)
			}
			if r, err := p.Stop(t.Context(), spawn.StopStep{Signal: os.Kill}); err != nil || r.Step != 0 {
				t.Errorf("%+v, %v", r, err)
			}
			waitFor(t, p)
		}
	})
}

func TestNoTree(t *testing.T) {
	var own attr.List
	if group := unix.Getpgrp(); group != 0 { // that of a process outside of this pid namespace has no number here
		own = attr.List{attr.Setpgid{Pgid: group}}
	}
	p := script(t, loop, own...)
	for _, err := range []error{p.SignalTree(syscall.SIGTERM), p.KillTree()} {
		if !errors.Is(err, spawn.ErrNoTree) {
			t.Error(err)
		}
	}
	if err := p.Kill(); err != nil {
		t.Error(err)
	}
	waitFor(t, p)
}

// TestStopInTree ends all processes of the tree in which a child was started.
func TestStopInTree(t *testing.T) {
	for name, end := range map[string]func(p *spawn.Process) error{
		"Stop": func(p *spawn.Process) error {
			r, err := p.Stop(t.Context(), spawn.Graceful(testenv.Patience)...)
			if r.Step != 0 || r.Left != 0 {
				t.Errorf("%+v", r)
			}
			return err
		},
		"KillTree": (*spawn.Process).KillTree,
	} {
		tree, err := spawn.NewTree(spawn.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		p, q := script(t, loop, tree.Attr()), script(t, loop, tree.Attr())
		if err := end(p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, p := range []*spawn.Process{p, q} {
			if state := waitFor(t, p); !state.Signaled() {
				t.Errorf("%s: %v", name, state)
			}
		}
		if err := tree.Close(); err != nil {
			t.Error(err)
		}
	}
}

// brood is a script that leaves two processes behind, which have its output, and prints
// their pids.
const brood = "sleep 60 & a=$!; sleep 60 & echo $a $!; "

// TestA1A3Stop stops families whose leaders wait or have ended, and wants no survivor, as
// the end of their output says, too.
func TestA1A3Stop(t *testing.T) {
	for round := range testenv.Rounds(20, 1000) {
		p, r := scriptTo(t, brood+[]string{"wait", "exit"}[round%2], attr.Setpgid{})
		line := readLine(t, r)
		if round%2 == 0 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			if _, err := p.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
			cancel()
		}
		if r, err := p.Stop(t.Context(), spawn.StopStep{Signal: os.Kill}); err != nil || r.Left != 0 {
			t.Errorf("%+v, %v", r, err)
		}
		waitFor(t, p)
		if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
			t.Errorf("%q, %v", rest, err)
		}
		r.Close()
		for word := range strings.FieldsSeq(line) {
			if pid, err := strconv.Atoi(word); err != nil || !testenv.IsOver(pid) {
				t.Errorf("%q is alive: %v", word, err)
			}
		}
	}
}

// TestStopForkingHandler stops a group whose leader leaves a process behind when it gets
// the signal.
func TestStopForkingHandler(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		p := script(t, "trap '(trap \"\" TERM; exec >&- 2>&-; sleep 60) & exit 5' TERM; "+loop, attr.Setpgid{})
		r, err := p.Stop(t.Context(), spawn.Graceful(50*time.Millisecond)...)
		if err != nil || r.Left != 0 {
			t.Errorf("%+v, %v", r, err)
		}
		if state := waitFor(t, p); state.ExitCode() != 5 && state.Signal() != syscall.SIGKILL {
			t.Error(state)
		}
	})
}

// TestStopOfOthers stops, as nobody, what root runs: the errors say that it may not.
func TestStopOfOthers(t *testing.T) {
	testenv.NeedRoot(t)
	for _, list := range []attr.List{nil, {attr.Setpgid{}}} {
		p := script(t, loop, list...)
		testenv.OnThread(func() { // which ends with its ids
			if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, testenv.Nobody, testenv.Nobody, testenv.Nobody); errno != 0 {
				t.Error(errno)
				return
			}
			r, err := p.Stop(context.Background(), spawn.Graceful(testenv.Patience)...)
			if !errors.Is(err, spawn.ErrStillAlive) || !errors.Is(err, fs.ErrPermission) || r.Step != 1 || r.Left < 1 {
				t.Errorf("%v: %+v, %v", list, r, err)
			}
		})
		if err := spawn.SetDumpable(true); err != nil { // the ids have cleared it
			t.Error(err)
		}
		if _, err := p.Stop(t.Context(), spawn.StopStep{Signal: os.Kill}); err != nil {
			t.Error(err)
		}
		waitFor(t, p)
	}
}

// TestStopFrozen stops a child in a frozen control group, where no handler runs.
func TestStopFrozen(t *testing.T) {
	testenv.NeedRoot(t)
	if !spawn.Features().Has(spawn.FeatureEngine) {
		testenv.Skip(t, "no attr.Cgroup")
	}
	for _, list := range []attr.List{nil, {attr.Setpgid{}}} {
		dir, _ := testenv.NewCgroup(t)
		p := script(t, "trap : TERM; "+loop, append(list, attr.Cgroup{Dir: dir})...)
		if err := os.WriteFile(dir.Name()+"/cgroup.freeze", []byte("1"), 0); err != nil {
			testenv.Skip(t, "no cgroup.freeze: "+err.Error())
		}
		testenv.Eventually(t, "the group is frozen", func() bool {
			events, err := os.ReadFile(dir.Name() + "/cgroup.events")
			return err == nil && strings.Contains(string(events), "frozen 1")
		})
		r, err := p.Stop(t.Context(), spawn.Graceful(soon)...)
		if err != nil || r.Step != 1 || r.Left != 0 {
			t.Errorf("%v: %+v, %v", list, r, err)
		}
		if state := waitFor(t, p); state.Signal() != syscall.SIGKILL {
			t.Error(state)
		}
		if err := os.WriteFile(dir.Name()+"/cgroup.freeze", []byte("0"), 0); err != nil {
			t.Error(err) // what the child has started stays frozen
		}
	}
}
