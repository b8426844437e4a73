package tree

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/safespawn/spawn/internal/cgroup"
	"github.com/safespawn/spawn/internal/raw"
)

// job is a job that holds a tree.
type job struct{ *raw.Job }

func newHolder() (holder, error) {
	j, err := raw.NewJob(raw.JobLimits{})
	if err != nil {
		return nil, err
	}
	return job{j}, nil
}

// Job is the job in which a child must begin; nil where there is none.
func (t *Tree) Job() *raw.Job {
	j, _ := t.holder.(job)
	return j.Job
}

// killed is the exit code of processes that were killed, as of os.Process.Kill.
const killed = 1

func (j job) KillAll() (some bool, err error) {
	u, err := j.Usage()
	if err != nil {
		return false, err
	}
	return u.Active > 0, j.Terminate(killed)
}

func (j job) Empty() bool {
	u, err := j.Usage()
	return err == nil && u.Active == 0
}

func (j job) End(d time.Duration) (err error) {
	if !cgroup.Await(d, j.Empty) {
		err = fmt.Errorf("the job has processes that don't end: %w", syscall.EBUSY)
	}
	return errors.Join(err, j.Close())
}

func (j job) Remove() error { return j.Close() }

func (j job) Abandon() { j.Let() }
