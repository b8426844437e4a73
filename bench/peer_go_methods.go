//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	dropin "github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/handover"
)

// Titles that goals refer to.
const (
	oursRun     = "spawn.Run"
	oursProgram = "Program.Start+Wait"
	oursUserNS  = "spawn.Run in a user namespace"
	oursAll     = "spawn.Run with nearly all attributes"
	oursCmd     = "exec.Cmd of spawn/exec"
	waysVfork   = "engine alone, asleep in clone until execve"
	waysFutex   = "engine alone, waiting for a futex"
	osExec      = "os/exec"
	cPosixSpawn = "C posix_spawn"
	cVfork      = "C vfork+execve"
	cCareful    = "C vfork+execve, signals blocked and handled, pidfd"
)

// The methods of the Go peer.
var (
	goRun          = method{"run", oursRun}
	goProgram      = method{"program", oursProgram}
	goCmd          = method{"cmd", oursCmd}
	goUserNS       = method{"userns", oursUserNS}
	goCombined     = method{"combined", oursAll}
	goVfork        = method{"wayvfork", waysVfork}
	goFutex        = method{"wayfutex", waysFutex}
	goExec         = method{"exec", osExec}
	goStartProcess = method{"startprocess", "os.StartProcess"}
	goForkExec     = method{"forkexec", "syscall.ForkExec"}
)

// spawnFunc spawns once and waits. It may be called from many goroutines.
type spawnFunc func() error

// newSpawn returns the function for a method, a kind of stdio and a program.
func newSpawn(method, kind, path string) (spawnFunc, error) {
	switch method + " " + kind {
	case "run inherit":
		spec := &spawn.Spec{Path: path}
		return func() error { return runSpec(spec) }, nil
	case "run null":
		spec := &spawn.Spec{Path: path}
		spec.Actions.Open(0, os.DevNull, os.O_RDONLY, 0)
		spec.Actions.Open(1, os.DevNull, os.O_WRONLY, 0)
		spec.Actions.Open(2, os.DevNull, os.O_WRONLY, 0)
		return func() error { return runSpec(spec) }, nil
	case "run capture":
		return func() error { return capture(func(w *os.File) (waiter, error) { return startSpec(path, nil, w, nil) }) }, nil
	case "run pipes":
		return func() error {
			return threePipes(func(in, out, errs *os.File) (waiter, error) { return startSpec(path, in, out, errs) })
		}, nil
	case "program inherit":
		return programSpawn(path)
	case "waitblock inherit", "waitpark inherit":
		return waitSpawn(method, path)
	case "wayvfork inherit", "wayfutex inherit":
		return waySpawn(method, path)
	case "userns inherit":
		ids := func(id int) []attr.IDMapEntry { return []attr.IDMapEntry{{HostID: id, Size: 1}} }
		spec := &spawn.Spec{Path: path, Attr: attr.List{
			attr.Namespaces{Flags: syscall.CLONE_NEWUSER},
			attr.IDMap{UID: ids(os.Getuid()), GID: ids(os.Getgid())},
		}}
		return func() error { return runSpec(spec) }, nil
	case "cmd inherit":
		return func() error {
			c := dropin.Command(path)
			c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
			return c.Run()
		}, nil
	case "cmd null":
		return func() error { return dropin.Command(path).Run() }, nil
	case "cmd capture":
		return func() error {
			var out bytes.Buffer
			c := dropin.Command(path)
			c.Stdin, c.Stdout, c.Stderr = os.Stdin, &out, os.Stderr
			return captured(&out, c.Run())
		}, nil
	case "cmd output":
		return func() error { _, err := dropin.Command(path).Output(); return err }, nil
	case "exec output":
		return func() error { _, err := exec.Command(path).Output(); return err }, nil
	case "cmd large":
		return func() error { return large(dropin.Command(path, largeArgs...).Output()) }, nil
	case "exec large":
		return func() error { return large(exec.Command(path, largeArgs...).Output()) }, nil
	case "exec inherit":
		return func() error { return command(path, os.Stdin, os.Stdout, os.Stderr).Run() }, nil
	case "exec null":
		return func() error { return exec.Command(path).Run() }, nil
	case "exec capture":
		return func() error { return captureExec(path) }, nil
	case "exec pipes":
		return func() error {
			return threePipes(func(in, out, errs *os.File) (waiter, error) {
				c := command(path, in, out, errs)
				return c.Wait, c.Start()
			})
		}, nil
	case "startprocess inherit":
		return func() error { return startAndWait(func() (waiter, error) { return startProcess(path, os.Stdout) }) }, nil
	case "startprocess capture":
		return func() error { return capture(func(w *os.File) (waiter, error) { return startProcess(path, w) }) }, nil
	case "forkexec inherit":
		return func() error { return startAndWait(func() (waiter, error) { return forkExec(path, 1) }) }, nil
	}
	return nil, fmt.Errorf("%s does not do %s", method, kind)
}

// waiter waits for a child; an error is also that it failed.
type waiter func() error

func startAndWait(start func() (waiter, error)) error {
	wait, err := start()
	if err != nil {
		return err
	}
	return wait()
}

func runSpec(s *spawn.Spec) error { return check(spawn.Run(context.Background(), s)) }

func check(state *spawn.ProcessState, err error) error {
	if err == nil && !state.Success() {
		err = fmt.Errorf("%v", state)
	}
	return err
}

func programSpawn(path string) (spawnFunc, error) {
	program, err := spawn.Compile(&spawn.Spec{Path: path})
	return func() error {
		p, err := program.Start(context.Background())
		if err != nil {
			return err
		}
		return check(p.Wait(context.Background()))
	}, err
}

// waitSpawn starts a Program and waits in another way than Process.Wait begins.
func waitSpawn(method, path string) (spawnFunc, error) {
	program, err := spawn.Compile(&spawn.Spec{Path: path})
	return func() error {
		p, err := program.Start(context.Background())
		if err != nil {
			return err
		}
		if method == "waitpark" {
			<-p.Done()
			return check(p.Wait(context.Background()))
		}
		defer handover.Disown(p)
		return waitPid(p.Pid())
	}, err
}

// startSpec starts a child with the given files as stdio; nil is inherited.
func startSpec(path string, stdio ...*os.File) (waiter, error) {
	spec := &spawn.Spec{Path: path}
	for fd, f := range stdio {
		if f != nil {
			spec.Actions.File(f, fd)
		}
	}
	p, err := spawn.Start(context.Background(), spec)
	if err != nil {
		return nil, err
	}
	return func() error { return check(p.Wait(context.Background())) }, nil
}

func command(path string, in, out, errs *os.File) *exec.Cmd {
	c := exec.Command(path)
	c.Stdin, c.Stdout, c.Stderr = in, out, errs
	return c
}

func startProcess(path string, stdout *os.File) (waiter, error) {
	p, err := os.StartProcess(path, []string{path}, &os.ProcAttr{Files: []*os.File{os.Stdin, stdout, os.Stderr}})
	if err != nil {
		return nil, err
	}
	return func() error {
		state, err := p.Wait()
		if err == nil && !state.Success() {
			err = fmt.Errorf("%v", state)
		}
		return err
	}, nil
}

func forkExec(path string, stdout uintptr) (waiter, error) {
	attr := &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, stdout, 2}}
	pid, err := syscall.ForkExec(path, []string{path}, attr)
	if err != nil {
		return nil, err
	}
	return func() error { return waitPid(pid) }, nil
}

// waitPid waits in a thread.
func waitPid(pid int) error {
	for {
		var status syscall.WaitStatus
		_, err := syscall.Wait4(pid, &status, 0, nil)
		if err == nil && status != 0 {
			err = fmt.Errorf("wait status %#x", status)
		}
		if err != syscall.EINTR {
			return err
		}
	}
}

// capture starts a child with a pipe as stdout and reads that to its end.
func capture(start func(w *os.File) (waiter, error)) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	wait, err := start(w)
	w.Close()
	if err != nil {
		return err
	}
	out, err := io.ReadAll(r)
	if werr := wait(); err == nil {
		err = werr
	}
	if err == nil && len(out) != writerBytes {
		err = fmt.Errorf("read %d bytes", len(out))
	}
	return err
}

// captureExec lets os/exec do the same.
func captureExec(path string) error {
	var out bytes.Buffer
	c := exec.Command(path)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, &out, os.Stderr
	return captured(&out, c.Run())
}

// captured checks what was captured.
func captured(out *bytes.Buffer, err error) error {
	if err == nil && out.Len() != writerBytes {
		err = fmt.Errorf("read %d bytes", out.Len())
	}
	return err
}

// threePipes starts a child with pipes as stdio and waits for it.
func threePipes(start func(in, out, errs *os.File) (waiter, error)) error {
	var ends [6]*os.File
	for i := 0; i < len(ends); i += 2 {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		defer r.Close()
		defer w.Close()
		ends[i], ends[i+1] = r, w
	}
	return startAndWait(func() (waiter, error) { return start(ends[0], ends[3], ends[5]) })
}
