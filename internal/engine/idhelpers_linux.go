//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// helperName is the program that writes a map for users without privilege, or empty.
func helperName(step string) string {
	switch step {
	case plan.StepUIDMap:
		return "newuidmap"
	case plan.StepGIDMap:
		return "newgidmap"
	}
	return ""
}

// findHelpers finds the programs that are to write files.
func findHelpers(files []mapFile) error {
	for i := range files {
		f := &files[i]
		name := helperName(f.name)
		if name == "" {
			continue
		}
		path, err := exec.LookPath(name)
		if err != nil {
			return plan.AttrError(f.name, f.index, name,
				&attr.UnsupportedError{What: name + "(1), of shadow or uidmap", Err: err})
		}
		f.helper = path
	}
	return nil
}

// maxMessage is how much of what a helper prints becomes the hint of an error.
const maxMessage = 1024

// runHelper has a program write a file of a child, for as long as there is the child
// and the context lets it. Nor does it have to close its output: what it has printed
// by its end is returned, and what does not fit is lost.
func (f *mapFile) runHelper(a *attempt, pid int) (said string, err error) {
	pipe, err := highfd.Pipe(unix.O_NONBLOCK)
	if err != nil {
		return "", err
	}
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	var p Program
	err = p.Compile(Input{
		Path: f.helper,
		Argv: append([]string{helperName(f.name), strconv.Itoa(pid)}, strings.Fields(f.text)...),
		Env:  os.Environ(),
		Actions: []plan.Action{
			{Kind: plan.ActOpen, FD: 0, From: plan.AtFdcwd, Path: "/dev/null"},
			{Kind: plan.ActDup2, From: pipe[1], FD: 1}, // as it is, non-blocking
			{Kind: plan.ActDup2, From: 1, FD: 2},
		},
		Once: true,
	})
	if err != nil {
		return "", err
	}
	defer p.Release()
	c, err := p.Start(a.ctx)
	if err != nil {
		return "", err
	}
	status, err := a.awaitHelper(&c)
	switch {
	case err != nil || status.ExitStatus() == 0:
		return "", err
	case a.ctx.Err() != nil:
		return "", a.ctx.Err()
	}
	return printed(pipe[0]), refusal(f.helper, status)
}

// awaitHelper ends a helper that nobody needs any more. It needs no other goroutine,
// for which there may be no thread.
func (a *attempt) awaitHelper(c *Child) (status syscall.WaitStatus, err error) {
	defer c.Close()
	var x raw.Exit
	var errno syscall.Errno
	poll(func() bool {
		if errno = c.Ask(0, &x); errno != 0 && errno != unix.ENOTSUP || errno == 0 && x.PID != 0 {
			return true
		}
		if a.ctx.Err() != nil || a.child.over() {
			_ = c.kill() // or it has ended
		}
		return false
	})
	switch errno {
	case 0:
		return x.Status, nil
	case unix.ECHILD:
		return c.Taken()
	}
	return 0, errno
}

// printed is what a helper has printed, in one line.
func printed(output int) string {
	buf := make([]byte, maxMessage)
	n, _ := unix.Read(output, buf)
	return strings.Join(strings.Fields(string(buf[:max(n, 0)])), " ")
}

// refusal is the error of a helper that has failed.
func refusal(path string, status syscall.WaitStatus) error {
	if !status.Exited() {
		return fmt.Errorf("%s: signal: %v", path, status.Signal())
	}
	return fmt.Errorf("%s: exit status %d: %w", path, status.ExitStatus(), unix.EPERM)
}
