//go:build !linux || android || !(386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) || spawn_forkexec

package exec

import (
	"context"
	"os"

	"go.uber.org/zap/zapcore"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/handover"
	"github.com/safespawn/spawn/internal/logs"
)

// launch makes the process, as os/exec does where the Cmd asks for nothing more.
func (c *Cmd) launch(ctx context.Context, path string, files []*os.File, env []string) error {
	if c.keeps() || c.Actions.Len() > 0 || len(c.Attr) > 0 || len(c.ListenFDs) > 0 || c.DirFile != nil {
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
	if len(c.ListenFDs) > 0 {
		s.PIDVariable = listenPID
	}
	own := c.actions(&s.Actions, files)
	list, sys, err := c.attributes()
	if err != nil {
		return c.startError(path, own, err)
	}
	s.Attr = list
	option := handover.Option{Sys: sys}
	if c.keeps() {
		c.tree, err = c.startTree(ctx, &s, &option)
	} else {
		_, err = handover.Start(ctx, &s, &option)
	}
	if err != nil {
		return c.startError(path, own, err)
	}
	c.Process = option.Process
	c.child = child{process: option.Process, kept: c.tree != nil || option.Reaping != nil, reaping: option.Reaping, started: handover.Started(&option)}
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
