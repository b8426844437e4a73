//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/exec"
)

// soakers are the goroutines that spawn at the same time.
const soakers = 8

// soak spawns many times in many ways and looks what is left.
type soak struct {
	ctx      context.Context
	programs programs
	dir      string
	fifo     string
	file     *os.File
	good     *spawn.Program
	bad      []badSpec
	counters spawn.Counters
	limiter  *spawn.Limiter
	trees    bool
	next     atomic.Int64
}

// badSpec is a Spec that can't be started, and the step at which it fails.
type badSpec struct {
	step string
	spec spawn.Spec
}

// newSoak makes what is to be spawned.
func newSoak(ctx context.Context, dir string) (s *soak, err error) {
	s = &soak{ctx: ctx, dir: dir, fifo: filepath.Join(dir, "fifo"), limiter: spawn.NewLimiter(2 * soakers)}
	if s.programs, err = makePrograms(dir, []int{100}); err != nil {
		return nil, err
	}
	if err := unix.Mkfifo(s.fifo, 0o600); err != nil {
		return nil, err
	}
	if s.file, err = os.Create(filepath.Join(dir, "file")); err != nil {
		return nil, err
	}
	if s.good, err = spawn.Compile(&spawn.Spec{Path: s.programs.tiny, Observer: &s.counters, Limiter: s.limiter}); err != nil {
		return nil, err
	}
	s.trees = exec.Features().Has(exec.FeatureTreeCgroup)
	s.bad = s.badSpecs()
	return s, nil
}

// badSpecs fail in each kind of step that fails for whoever runs this.
func (s *soak) badSpecs() []badSpec {
	missing, tiny := filepath.Join(s.dir, "missing"), s.programs.tiny
	with := func(step string, change func(*spawn.Spec)) badSpec {
		b := badSpec{step, spawn.Spec{Path: tiny, Observer: &s.counters, Limiter: s.limiter}}
		change(&b.spec)
		return b
	}
	list := func(a ...attr.Attr) func(*spawn.Spec) { return func(x *spawn.Spec) { x.Attr = a } }
	const none = 1 << 20 // no process, no descriptor and no CPU has this number
	return []badSpec{
		with(spawn.StepExecve, func(x *spawn.Spec) { x.Path = missing }),
		with(spawn.StepExecve, func(x *spawn.Spec) { x.Path = s.dir }),
		with(spawn.StepExecve, func(x *spawn.Spec) { x.Path = s.file.Name() }),
		with(spawn.StepArgs, func(x *spawn.Spec) { x.Args = []string{"a\x00b"} }),
		with(spawn.StepOpen, func(x *spawn.Spec) { x.Actions.Open(0, missing, os.O_RDONLY, 0) }),
		with(spawn.StepOpen, func(x *spawn.Spec) { x.Actions.Open(5, s.dir, os.O_WRONLY, 0) }),
		with(spawn.StepChdir, func(x *spawn.Spec) { x.Actions.Chdir(missing) }),
		with(spawn.StepFchdir, func(x *spawn.Spec) { x.Actions.File(s.file, 7); x.Actions.Fchdir(7) }),
		with(spawn.StepTcsetpgrp, func(x *spawn.Spec) { x.Actions.File(s.file, 7); x.Actions.Tcsetpgrp(7) }),
		with(spawn.StepSetpgid, list(attr.Setpgid{Pgid: none})),
		with(spawn.StepCtty, list(attr.Setsid{}, attr.ControllingTTY{File: s.file})),
		with(spawn.StepSetns, list(attr.JoinNamespace{File: s.file})),
		with(spawn.StepChroot, list(attr.Chroot(missing))),
		with(spawn.StepCgroup, list(attr.Cgroup{Dir: s.file})),
	}
}

// run spawns until n spawns have been made, and returns the first thing that was not as
// it should be.
func (s *soak) run(n int64) error {
	var all sync.WaitGroup
	failures := make(chan error, soakers)
	for i := range soakers {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), uint64(n)))
			for s.ctx.Err() == nil && len(failures) == 0 && s.next.Add(1) <= n {
				if err := s.one(random); err != nil {
					failures <- err
				}
			}
		})
	}
	all.Wait()
	s.next.Store(n)
	close(failures)
	if err := <-failures; err != nil {
		return err
	}
	return s.ctx.Err()
}

// one makes one spawn: half of them fail, and a tenth is canceled.
func (s *soak) one(random *rand.Rand) error {
	switch k := random.IntN(10); {
	case k < 5:
		return s.fails(random)
	case k == 5:
		return s.canceled(random)
	default:
		return s.succeeds(random)
	}
}

func (s *soak) fails(random *rand.Rand) error {
	b := s.bad[random.IntN(len(s.bad))]
	spec := b.spec
	var err error
	if random.IntN(4) == 0 && spec.Args == nil {
		err = s.command(spec.Path, &spec).Run()
	} else {
		_, err = spawn.Run(s.ctx, &spec)
	}
	var e *spawn.Error
	if errors.As(err, &e) && e.Step == b.step || err != nil && e == nil && s.ctx.Err() == nil {
		return nil
	}
	return fmt.Errorf("a start that was to fail at %s: %w", b.step, err)
}

// command is a Cmd for a Spec.
func (s *soak) command(path string, spec *spawn.Spec) *exec.Cmd {
	c := exec.CommandContext(s.ctx, path)
	c.Actions, c.Attr, c.Observer, c.Limiter = spec.Actions, spec.Attr, &s.counters, s.limiter
	return c
}

// canceled has the context end before the start, while the child is held up on its way
// to execve, or while it runs.
func (s *soak) canceled(random *rand.Rand) error {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	spec := spawn.Spec{Path: s.programs.sleeper, Observer: &s.counters, Limiter: s.limiter}
	kind := random.IntN(4)
	switch kind {
	case 0:
		cancel()
	case 1:
		spec.Actions.Open(0, s.fifo, os.O_RDONLY, 0)
	}
	timer := time.AfterFunc(time.Duration(random.IntN(2_000_000)), cancel)
	defer timer.Stop()
	var err error
	if kind == 2 {
		c := exec.CommandContext(ctx, spec.Path)
		c.Observer, c.Limiter = &s.counters, s.limiter
		c.Tree = s.trees && random.IntN(4) == 0
		err = c.Run()
	} else {
		_, err = spawn.Run(ctx, &spec)
	}
	var killed *exec.ExitError // os/exec's error of a process that Cancel has killed
	if errors.Is(err, context.Canceled) || errors.As(err, &killed) {
		return nil
	}
	return fmt.Errorf("a spawn of kind %d that was to be canceled: %w", kind, err)
}

func (s *soak) succeeds(random *rand.Rand) (err error) {
	var state *spawn.ProcessState
	switch random.IntN(6) {
	case 0:
		var out []byte
		c := s.command(s.programs.writer, &spawn.Spec{})
		c.Tree = s.trees && random.IntN(16) == 0
		if out, err = c.Output(); err == nil && len(out) != writerBytes {
			err = fmt.Errorf("%d bytes of output", len(out))
		}
	case 1:
		err = s.command(s.programs.tiny, &spawn.Spec{}).Run()
	case 2:
		spec := &spawn.Spec{Path: s.programs.sleeps[100], Attr: attr.List{attr.Umask(0o22), attr.Setsid{}}, Observer: &s.counters, Limiter: s.limiter}
		spec.Actions.File(s.file, 9)
		state, err = spawn.Run(s.ctx, spec)
		err = errors.Join(err, state.Err())
	case 3:
		var p *spawn.Process
		if p, err = s.good.Start(s.ctx); err == nil {
			err = p.Release()
		}
	default:
		state, err = s.good.Run(s.ctx)
		err = errors.Join(err, state.Err())
	}
	if err != nil {
		return fmt.Errorf("a spawn that was to succeed: %w", err)
	}
	return nil
}

// runSoak spawns n times, and reports whether all that is left is as it should be.
func runSoak(ctx context.Context, n int, out io.Writer) (ok bool, err error) {
	dir, err := os.MkdirTemp("", "spawn-soak-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	s, err := newSoak(ctx, dir)
	if err != nil {
		return false, err
	}
	defer s.file.Close()
	var first remains
	begin := time.Now()
	tenth := max(n/10, 1)
	for k := 1; k <= 10; k++ {
		if err := s.run(int64(min(k*tenth, n))); err != nil {
			return false, err
		}
		now, err := settled()
		if err != nil {
			return false, err
		}
		if k == 1 {
			first = now
		}
		fmt.Fprintf(out, "%8d spawns, %5.0f s: %v\n", k*tenth, time.Since(begin).Seconds(), now)
		if k == 10 {
			ok = now.report(out, first)
		}
	}
	s.counted(out)
	return ok, nil
}

// counted prints what was spawned.
func (s *soak) counted(out io.Writer) {
	c := s.counters.Stats()
	fmt.Fprintf(out, "%d children started: %d succeeded, %d were killed, %d live\n", c.Started, c.Succeeded, c.Signaled, c.Live)
	fmt.Fprintf(out, "%d starts canceled, others failed by step: %v\n", c.Canceled, c.Failures)
	fmt.Fprintf(out, "starts took %v (median), %v (99 %%)\n", c.Latency.Quantile(0.5), c.Latency.Quantile(0.99))
}
