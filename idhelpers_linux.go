//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/plan"
)

// helperNames are the programs that write maps for users without privilege.
var helperNames = map[string]string{plan.StepUIDMap: "newuidmap", plan.StepGIDMap: "newgidmap"}

// findHelpers finds the programs that are to write files.
func findHelpers(files []mapFile) error {
	for i := range files {
		f := &files[i]
		name := helperNames[f.name]
		if name == "" {
			continue
		}
		path, err := exec.LookPath(name)
		if err != nil {
			return plan.AttrError(f.name, f.index, name,
				&UnsupportedError{What: name + "(1), of shadow or uidmap", Err: err})
		}
		f.helper = path
	}
	return nil
}

// maxMessage is how much of what a helper prints becomes part of an error.
const maxMessage = 1024

// runHelper has a program write a file of a child, for as long as there is the child
// and the context lets it. Nor does it have to close its output: what it has printed
// by its end is read, and what does not fit is lost.
func (f *mapFile) runHelper(a *attempt, pid int) error {
	pipe, err := highfd.Pipe(unix.O_NONBLOCK)
	if err != nil {
		return err
	}
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	s := &Spec{Path: f.helper, Args: append([]string{helperNames[f.name], strconv.Itoa(pid)}, strings.Fields(f.text)...)}
	s.Actions.Open(0, "/dev/null", unix.O_RDONLY, 0)
	s.Actions.Dup2(pipe[1], 1) // as it is, non-blocking
	s.Actions.Dup2(1, 2)
	p, err := Start(a.ctx, s)
	if err != nil {
		return err
	}
	state, err := a.awaitHelper(p)
	switch {
	case err != nil || state.Success():
		return err
	case a.ctx.Err() != nil:
		return a.ctx.Err()
	}
	return refusal(f.helper, state, pipe[0])
}

// awaitHelper ends a helper that nobody needs any more. It needs no other goroutine,
// for which there may be no thread.
func (a *attempt) awaitHelper(p *Process) (*ProcessState, error) {
	poll(func() bool {
		if p.tryReap() {
			return true
		}
		if a.ctx.Err() != nil || isOver(a.pid, a.pidfd) {
			_ = p.Kill() // or it has ended
		}
		return false
	})
	return p.Wait(context.Background())
}

// refusal is the error of a helper that has failed, with what it printed.
func refusal(path string, state *ProcessState, output int) error {
	buf := make([]byte, maxMessage)
	n, _ := unix.Read(output, buf)
	said := strings.Join(strings.Fields(string(buf[:max(n, 0)])), " ")
	if !state.Exited() {
		return fmt.Errorf("%s: %v: %s", path, state, said)
	}
	return fmt.Errorf("%s: %v: %s: %w", path, state, said, unix.EPERM)
}
