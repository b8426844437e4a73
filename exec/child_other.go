//go:build !linux || android || !(amd64 || arm64) || spawn_forkexec

package exec

import (
	"os"

	"github.com/safespawn/spawn/internal/forkexec"
)

// child is the process.
type child struct {
	process *os.Process
	kept    bool // with Tree: its end is to be known before it is reaped

	ended *os.ProcessState // where it had to be reaped for that
	err   error
}

func (*child) awaitExec() {}

func (*child) keep() {}

func (*child) begun(bool) {}

// wait returns when a child of a tree has ended.
func (c *child) wait() {
	if c.kept && !forkexec.Of(c.process, false).AwaitEnd() {
		c.ended, c.err = c.process.Wait()
	}
}

// reap reaps the child.
func (c *child) reap() (*os.ProcessState, error) {
	if c.ended != nil || c.err != nil {
		return c.ended, c.err
	}
	return c.process.Wait()
}

func (*child) release() {}

// over can't know the end before Wait does.
func (*child) over() bool { return false }
