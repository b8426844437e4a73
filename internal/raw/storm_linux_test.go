//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

package raw

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/testenv"
)

// TestStorm spawns in a process of its own, which is sent signals all the time,
// is profiled, and collects garbage almost without pause.
func TestStorm(t *testing.T) {
	n := testenv.Rounds(5_000, 20_000)
	if testing.Short() {
		n = 2_000
	}
	path := tinyProgram(t, 0)
	for _, target := range []string{"process", "group"} {
		t.Run(target, func(t *testing.T) {
			if err := helperCommand(t, "storm", target, strconv.Itoa(n), path).Run(); err != nil {
				t.Error(err)
			}
		})
	}
}

var stormSignals = []syscall.Signal{unix.SIGURG, unix.SIGCHLD, unix.SIGUSR1}

var _ = testenv.RegisterHelper("storm", storm)

// storm is the helper: whom to send signals, number of spawns, program.
func storm(args []string) int {
	group := args[0] == "group"
	n, _ := strconv.Atoi(args[1])
	debug.SetGCPercent(1)
	caught := make(chan os.Signal, 1)
	for _, sig := range stormSignals {
		signal.Notify(caught, sig)
	}
	profileAt1kHz()
	done := make(chan struct{})
	var background sync.WaitGroup
	background.Go(func() { sendSignals(group, done) })
	background.Go(func() { makeGarbage(done) })

	const spawners = 4
	p := newStormPrograms(args[2])
	errs := make(chan error, spawners)
	for g := range spawners {
		go func() { errs <- p.spawn(n/spawners, g, group) }()
	}
	status := 0
	for range spawners {
		if err := <-errs; err != nil {
			fmt.Fprintln(os.Stderr, "storm:", err)
			status = 1
		}
	}
	close(done)
	background.Wait()
	pprof.StopCPUProfile()
	if len(caught) == 0 {
		fmt.Fprintln(os.Stderr, "storm: no signal was caught")
		status = 1
	}
	return status
}

// profileAt1kHz makes the profiler's signals, and more of them.
func profileAt1kHz() {
	_ = pprof.StartCPUProfile(io.Discard)
	ms := unix.Timeval{Usec: 1000}
	_, _ = unix.Setitimer(unix.ITIMER_PROF, unix.Itimerval{Interval: ms, Value: ms})
}

// sendSignals sends to this process, or its group with all children.
func sendSignals(group bool, done chan struct{}) {
	to := os.Getpid()
	if group {
		to = 0
	}
	for i := 0; ; i++ {
		select {
		case <-done:
			return
		default:
			_ = unix.Kill(to, stormSignals[i%len(stormSignals)])
			_, _, _ = unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
		}
	}
}

func makeGarbage(done chan struct{}) {
	var keep [16][]byte
	for i := 0; ; i++ {
		select {
		case <-done:
			return
		default:
			keep[i%len(keep)] = make([]byte, 4096)
			runtime.Gosched()
		}
	}
}

// stormPrograms run a program, fail, exit, and run a program by a relay; with and
// without clone3.
type stormPrograms struct{ good, missing, exit, relayed [2]*Program }

func newStormPrograms(path string) *stormPrograms {
	var p stormPrograms
	for legacy := range 2 {
		builder := func() *Builder {
			b := new(Builder)
			if legacy == 1 {
				b.Step(Step{Name: "sigdefault", Index: -1})
				b.Call(0, RtSigaction, Int(1), b.Words(0, 0, 0, 0), Int(0), Int(sigsetSize)).Sweep(Int(64))
			}
			return b
		}
		b := builder()
		b.exec(path)
		p.good[legacy] = b.Build()
		b = builder()
		b.Step(Step{Name: "chdir", Index: 3})
		b.Call(9, Chdir, b.String("/nonexistent/directory"))
		b.exec(path)
		p.missing[legacy] = b.Build()
		b = builder()
		b.Step(Step{Name: "exit", Index: -1})
		b.Call(9, ExitGroup, Int(5))
		p.exit[legacy] = b.Build()
		b = builder()
		b.Relay(1, legacy == 1)
		b.exec(path)
		p.relayed[legacy] = b.Build()
	}
	return &p
}

// spawn makes n children from one thread, and checks the thread's mask.
func (p *stormPrograms) spawn(n, g int, group bool) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	mask := func() (set unix.Sigset_t) {
		_ = unix.PthreadSigmask(unix.SIG_BLOCK, nil, &set)
		return set
	}
	before := mask()
	ran := 0
	for i := range n {
		ok, err := p.spawnOne(i+g, group)
		if err != nil {
			return fmt.Errorf("spawn %d: %w", i, err)
		}
		if now := mask(); now != before {
			return fmt.Errorf("spawn %d: mask %#x, was %#x", i, Mask(&now), Mask(&before))
		}
		if ok {
			ran++
		}
	}
	if ran == 0 {
		return errors.New("no program ran")
	}
	return nil
}

func (p *stormPrograms) spawnOne(i int, group bool) (ran bool, err error) {
	c := Clone{Flags: vfork | unix.CLONE_CLEAR_SIGHAND, ErrFD: -1}
	legacy := i & 1
	if noClone3() {
		legacy = 1
	}
	if legacy == 1 {
		c = Clone{Flags: vfork, Legacy: true, ErrFD: -1}
	}
	set, want := p.good, 0
	switch i / 2 % 4 {
	case 1:
		set = p.relayed
	case 2:
		set = p.missing
	case 3:
		set, want = p.exit, 5
	}
	r := NewRun(set[legacy])
	defer r.Free()
	res, err := finish(r, c)
	if errors.Is(err, unix.ENOSYS) && legacy == 0 {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	killed := group && res.status.Signaled() && res.status.Signal() == unix.SIGUSR1
	if set == p.missing {
		if !res.failed || res.errno != unix.ENOENT || res.step.Index != 3 {
			return false, fmt.Errorf("%+v", res)
		}
		return false, nil
	}
	if !res.exited(want) && !killed {
		return false, fmt.Errorf("%+v", res)
	}
	return (set == p.good || set == p.relayed) && !killed, nil
}
