package tree

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"syscall"
	"time"

	"github.com/safespawn/spawn/internal/cgroup"
	"github.com/safespawn/spawn/internal/raw"
)

// job is a job that holds a tree.
type job struct{ *raw.Job }

func newHolder(l *Limits) (holder, error) {
	if err := l.unsupported("a job has no such limit", "memory.swap.max", "memory.oom.group", "io.weight"); err != nil {
		return nil, err
	}
	if uint64(l.Memory) > math.MaxUint {
		return nil, l.unsupported("a program of 32 bits can't ask for so much", "memory.max")
	}
	limits := raw.JobLimits{Memory: uintptr(l.Memory), Procs: uint32(min(l.Procs, math.MaxInt32)), CPU: l.CPU}
	j, err := raw.NewJob(limits)
	if err == nil {
		return job{j}, nil
	}
	if l.CPU == 0 {
		return nil, err
	}
	limits.CPU = 0
	j, other := raw.NewJob(limits)
	if other != nil {
		return nil, err
	}
	_ = j.Close()                                     // there is nobody in it
	return nil, l.unsupported(err.Error(), "cpu.max") // before Windows 8, or with another limit of CPU outside
}

// Job is the job in which a child must begin; nil where there is none.
func (t *Tree) Job() *raw.Job {
	j, _ := t.holder.(job)
	return j.Job
}

// killed is the exit code of processes that were killed, as of os.Process.Kill.
const killed = 1

// KillEach is KillAll: a job whose processes were terminated takes others.
func (j job) KillEach() (some bool, err error) { return j.KillAll() }

func (j job) KillAll() (some bool, err error) {
	n, err := j.Active()
	if err != nil {
		return false, err
	}
	return n > 0, j.Terminate(killed)
}

// Signal can only kill: consoles interrupt, and do so by groups.
func (j job) Signal(sig syscall.Signal) (some bool, err error) {
	switch sig {
	case syscall.SIGKILL:
		return j.KillAll()
	case 0:
		return !j.Empty(), nil
	}
	return true, errByGroups
}

func (j job) Count() int {
	n, _ := j.Active() // a job that is closed has none
	return n
}

// maxLook is the longest time between two looks at a job.
const maxLook = 20 * time.Millisecond

func (j job) AwaitEmpty(ctx context.Context) error {
	for pause := time.Millisecond; !j.Empty(); pause = min(2*pause, maxLook) {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (j job) Usage() (Usage, error) {
	u, err := j.Job.Usage()
	missing := []string{"throttled", "peak of processes", "OOM kills"}
	if !u.HasIO {
		missing = append(missing, "IO")
	}
	return Usage{
		MemoryPeak: int64(u.PeakMemory), User: u.User, System: u.System, Read: int64(u.Read), Written: int64(u.Write), Missing: missing,
	}, err
}

func (j job) OOMKills() (n int, ok bool) { return 0, false }

func (j job) Empty() bool {
	n, err := j.Active()
	return err == nil && n == 0
}

func (j job) End(d time.Duration) (err error) {
	_, _ = j.KillAll() // closing does it, too
	if !cgroup.Await(d, j.Empty) {
		err = fmt.Errorf("the job has processes that don't end: %w", syscall.EBUSY)
	}
	return errors.Join(err, j.Close())
}

func (j job) Remove() error { return j.Close() }

func (j job) Abandon(func()) { j.Let() } // there are no guardians

// Dir is nil: there are no control groups.
func (t *Tree) Dir() *os.File { return nil }
