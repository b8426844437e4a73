//go:build !linux || android || !(386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) || spawn_forkexec

package exec

import (
	"os"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/forkexec"
)

// child is the process.
type child struct {
	process *os.Process
	started *spawn.Process // that tells of optional attributes; nil without them
	kept    bool           // in a tree: its end is to be known before it is reaped
	reaping func()         // tells a tree that it is reaped; nil where none is to be told

	ended *os.ProcessState // where it had to be reaped for that
	err   error
}

func (*child) awaitExec() {}

func (*child) keep(bool) {}

func (*child) begun(bool) {}

// wait returns when a child of a tree has ended, or was reaped.
func (c *child) wait() {
	if c.kept && !forkexec.Of(c.process, false).AwaitEnd() {
		c.tell()
		c.ended, c.err = c.process.Wait()
	}
}

// tell tells the tree that knows the child by its pid.
func (c *child) tell() {
	if c.reaping != nil {
		c.reaping()
	}
}

// reap reaps the child.
func (c *child) reap() (*os.ProcessState, error) {
	if c.ended != nil || c.err != nil {
		return c.ended, c.err
	}
	c.tell()
	return c.process.Wait()
}

func (*child) release(*os.ProcessState) {}

// spawned has nothing that could be beside package os's.
func (*child) spawned() *spawn.Process { return nil }

// over can't know the end before Wait does.
func (*child) over() bool { return false }
