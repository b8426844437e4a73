package pty

import "os/exec"

type Options struct{ Cmd *exec.Cmd }

type Hook func(c *exec.Cmd)

type Alias = exec.Cmd

type Starter interface{ Start(c *exec.Cmd) error }

func Start(c *exec.Cmd) error { return c.Start() }

func Make() (*exec.Cmd, error) { return nil, nil }

func On(h Hook) {}

func Any(v any) {}

func Keep[T any](v T) T { return v }
