//go:build !linux || android || !(amd64 || arm64) || spawn_forkexec

package exec

import (
	"context"
	"fmt"
	"os"

	"go.uber.org/zap/zapcore"

	"github.com/safespawn/spawn/internal/handover"
	"github.com/safespawn/spawn/internal/logs"
	"github.com/safespawn/spawn/internal/plan"

	"github.com/safespawn/spawn"
)

// Features returns the features of [spawn.Features] and tree_cgroup, which is not
// available here.
func Features() spawn.FeatureSet {
	return append(spawn.Features(), spawn.Feature{Name: FeatureTreeCgroup, Since: "5.7", Use: "used by the engine"})
}

// child is the process.
type child struct{ process *os.Process }

func (child) awaitExec() {}

func (child) keep() {}

func (child) begun(bool) {}

func (child) wait() {}

func (c child) reap() (*os.ProcessState, error) { return c.process.Wait() }

func (child) release() {}

// tree is never made.
type tree struct{}

func (*tree) kill() error { return os.ErrProcessDone }

func (*tree) holds() error { return ErrTreeNotHeld }

func (c *Cmd) waitTree() error { return c.waitProcess() }

// launch makes the process, as os/exec does where the Cmd asks for nothing more.
func (c *Cmd) launch(ctx context.Context, path string, files []*os.File, env []string) error {
	if c.keeps() {
		return c.unsupported("Cmd.Tree")
	}
	if c.Actions.Len() > 0 || len(c.Attr) > 0 {
		return c.launchSpec(ctx, path, files, env)
	}
	p, err := os.StartProcess(path, c.argv(), &os.ProcAttr{Dir: c.Dir, Env: env, Files: files, Sys: c.SysProcAttr})
	if err != nil {
		return err
	}
	c.Process, c.child.process = p, p
	c.logStart(path)
	return nil
}

// launchSpec makes the process by package spawn's fallback.
func (c *Cmd) launchSpec(ctx context.Context, path string, files []*os.File, env []string) error {
	s := spawn.Spec{Path: path, Args: c.argv(), Env: env, Logger: c.Logger, Observer: c.observer()}
	own := c.actions(&s.Actions, files)
	list, sys, err := c.attributes()
	if err != nil {
		return c.startError(path, own, err)
	}
	s.Attr = list
	option := handover.Option{Sys: sys}
	if _, err := handover.Start(ctx, &s, &option); err != nil {
		return c.startError(path, own, err)
	}
	c.Process, c.child.process = option.Process, option.Process
	return nil
}

// logStart logs the start.
func (c *Cmd) logStart(path string) {
	log := logs.Used(c.Logger)
	if log == nil {
		return
	}
	if e := log.Check(zapcore.DebugLevel, "spawned"); e != nil {
		e.Write(logs.String("path", path), logs.Int("pid", c.Process.Pid))
	}
}

func (c *Cmd) unsupported(what string) error {
	return fmt.Errorf("exec: %w", &spawn.UnsupportedError{What: what, Since: plan.Engine})
}
