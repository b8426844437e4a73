//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package faults_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/handover"
	"github.com/safespawn/spawn/internal/raw/rawtest"
	"github.com/safespawn/spawn/internal/testenv"
)

func init() {
	if os.Args[0] == testenv.HelperPrefix+"become" {
		runtime.LockOSThread() // the first
	}
}

// becoming is a scene of a process that becomes ./program, as with the command's --exec. Only
// its calls fail, from where it asks for that.
func becoming(kind string) scene {
	return func() (func() error, error) {
		self, err := os.Executable()
		if kind == "new root" {
			err = errors.Join(err, needsRoot())
		}
		return func() error {
			s := spawn.Spec{Path: self, Args: testenv.HelperArgs("become", kind)}
			s.Actions.Inherit(2)
			state, err := spawn.Run(context.Background(), &s)
			switch {
			case err != nil || state.ExitCode() == 7:
				return err
			case state.ExitCode() == saidWhy:
				return toldClearly{}
			}
			return wrongf("%v", state)
		}, err
	}
}

// saidWhy is the status of a process that has not become a program, and knows why.
const saidWhy = 3

// toldClearly is an error that the process itself has looked at.
type toldClearly struct{}

func (toldClearly) Error() string { return "told by a clear error" }

// becomes are the attributes of a process that becomes a program.
var becomes = map[string]attr.List{
	"files": {attr.Umask(0o77), attr.OOMScoreAdj(500), attr.Setsid{}, attr.Optional(attr.Nice(3)), attr.SigMask{syscall.SIGUSR1}},
	"new root": {attr.Namespaces{Flags: unix.CLONE_NEWNS | unix.CLONE_NEWUTS}, attr.Hostname("here"),
		attr.NewRoot{{Path: "/program", Bind: "program"}, {Path: "/tmp", FSType: "tmpfs"}, {Path: "/tmp/link", Symlink: "/"}},
		attr.Credential{UID: 65534, GID: 65534}, attr.NoCapabilities(), attr.NoNewPrivs{}},
}

var _ = testenv.RegisterHelper("become", func(args []string) int {
	if err := become(args[0]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return saidWhy
})

// become returns nil where the start has failed by a clear error and has left all as it was.
func become(kind string) error {
	s := &spawn.Spec{Path: "./program", Attr: slices.Clone(becomes[kind])}
	s.Actions.File(os.Stderr, 5)
	s.Actions.Open(6, "/", unix.O_RDONLY, 0)
	before := testenv.SettledWhole()
	if _, err := rawtest.Ask(askHere, 1, ""); err != nil {
		return err
	}
	p, err := handover.CompileExec(s, func(err error) {
		fmt.Fprintln(os.Stderr, err)
		if unclear(err) != nil {
			os.Exit(1)
		}
		os.Exit(saidWhy)
	})
	if err == nil {
		_, err = p.Start(context.Background())
	}
	fault, aerr := rawtest.Ask(askHere, 0, "")
	if fault == theft {
		before.Spare("descriptor ")
	}
	return errors.Join(aerr, unclear(err), before.Since())
}

// unclear says that an error is none that tells the step.
func unclear(err error) error {
	if e := (*spawn.Error)(nil); errors.As(err, &e) && e.Step != "" {
		return nil
	}
	return fmt.Errorf("an unclear error: %w", err)
}
