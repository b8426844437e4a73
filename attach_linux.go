//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package spawn

import (
	"fmt"
	"os"

	"github.com/safespawn/spawn/internal/engine"
	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/kernel"
)

func attach(pid int) (*Process, error) {
	if !kernel.Current().Pidfd {
		return nil, missing("Attach", "pidfds", "5.4")
	}
	c, err := engine.Attach(pid)
	if err != nil {
		return nil, fmt.Errorf("spawn: attach to pid %d: %w", pid, err)
	}
	return newProcess(pid, child{Child: c}), nil
}

func attachPidfd(f *os.File) (*Process, error) {
	if !kernel.Current().Pidfd {
		return nil, missing("AttachPidfd", "pidfds", "5.4")
	}
	var c engine.Child
	err := highfd.WithNumber(f, func(fd int) (err error) {
		c, err = engine.AttachPidfd(fd)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("spawn: attach to a pidfd: %w", err)
	}
	return newProcess(c.PID, child{Child: c}), nil
}
