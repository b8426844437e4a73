//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec

import (
	"context"
	"io/fs"
	"os"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/handover"
)

// launch makes the process.
func (c *Cmd) launch(ctx context.Context, path string, files []*os.File, env []string) error {
	if err := c.checkSys(path, files); err != nil {
		return &fs.PathError{Op: "fork/exec", Path: path, Err: err}
	}
	s := spawn.Spec{Path: path, Args: c.argv(), Env: env, Logger: c.Logger, Observer: c.observer()}
	if len(c.ListenFDs) > 0 {
		s.PIDVariable = listenPID
	}
	own := c.actions(&s.Actions, files)
	sys, err := c.attributes()
	defer sys.close()
	if err != nil {
		return c.startError(path, own, err)
	}
	s.Attr = sys.list
	var proc *spawn.Process
	option := handover.Option{Take: knowsOS()}
	if c.keeps() {
		proc, c.tree, err = c.startTree(ctx, &s)
	} else {
		proc, err = handover.Start(ctx, &s, &option) // adopt sees to the child
	}
	if err != nil {
		return c.startError(path, own, err)
	}
	c.adopt(proc, &option)
	if c.tree != nil && c.tree.tty != nil {
		go c.tree.lend()
	}
	return nil
}
