//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package faults_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"syscall"
	"time"

	"github.com/safespawn/spawn/exec"
)

// cmds is a scene of a Cmd that exits with 7.
func cmds(make func(ctx context.Context) *exec.Cmd, run func(c *exec.Cmd) error) scene {
	return func() (func() error, error) {
		return func() error { return exits7(run(make(context.Background()))) }, nil
	}
}

// exits7 wants the status of ./program.
func exits7(err error) error {
	var e *exec.ExitError
	if errors.As(err, &e) {
		if e.ExitCode() == 7 {
			return nil
		}
		return wrongf("%v", err)
	}
	if err == nil {
		return wrongf("a status of 0")
	}
	return err
}

func output() (func() error, error) {
	return func() error {
		out, err := exec.Command("/bin/echo", "hello").Output()
		if err == nil && string(out) != "hello\n" {
			return wrongf("%q", out)
		}
		return err
	}, nil
}

func input() (func() error, error) {
	return func() error {
		c := exec.Command("/bin/cat")
		c.Stdin = strings.NewReader("hello")
		var out bytes.Buffer
		c.Stdout, c.Stderr = &out, io.Discard
		err := c.Run()
		if err == nil && out.String() != "hello" {
			return wrongf("%q", out.String())
		}
		return err
	}, nil
}

func pipes() (func() error, error) {
	return func() error {
		c := exec.Command("/bin/cat")
		in, err := c.StdinPipe()
		if err != nil {
			return err
		}
		out, err := c.StdoutPipe()
		if err != nil {
			in.Close()
			return err
		}
		if err := c.Start(); err != nil {
			return err
		}
		_, werr := io.WriteString(in, "hello")
		cerr := in.Close()
		text, rerr := io.ReadAll(out)
		err = errors.Join(werr, cerr, rerr, c.Wait())
		if err == nil && string(text) != "hello" {
			return wrongf("%q", text)
		}
		return err
	}, nil
}

func pipeline() (func() error, error) {
	return func() error {
		out, err := exec.Pipe(exec.Command("/bin/echo", "hello"), exec.Command("/bin/cat")).Output()
		if err == nil && string(out) != "hello\n" {
			return wrongf("%q", out)
		}
		return err
	}, nil
}

func cmdTree() (func() error, error) {
	return func() error {
		c := exec.Command("./program")
		c.Tree = true
		return exits7(c.Run())
	}, nil
}

func timeout() (func() error, error) {
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Millisecond)
		defer cancel()
		err := exec.CommandContext(ctx, "./waiter").Run()
		var e *exec.ExitError
		switch {
		case err == nil:
			return wrongf("it ended")
		case errors.As(err, &e) && e.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL, errors.Is(err, context.DeadlineExceeded):
			return nil
		}
		return err
	}, nil
}

func terminal() (func() error, error) {
	return func() error {
		c := exec.Command("/bin/sh", "-c", "sleep .05; echo hello") // a reader has to wait
		c.PTY = &exec.PTY{}
		if err := c.Start(); err != nil {
			return err
		}
		text, rerr := io.ReadAll(c.Terminal())
		err := errors.Join(rerr, c.Wait(), c.Terminal().Close())
		if err == nil && string(text) != "hello\r\n" {
			return wrongf("%q", text)
		}
		return err
	}, nil
}
