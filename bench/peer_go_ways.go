//go:build linux && (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package main

import (
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/raw"
)

// hasWays says that there are two ways of waiting for execve.
const hasWays = true

// rawProgram does nothing but execve, with this process's environment.
func rawProgram(path string) *raw.Program {
	var b raw.Builder
	b.Step(raw.Step{Name: "execve", Index: -1})
	b.Call(0, raw.Execve, b.String(path), b.Strings([]string{path}), b.Strings(os.Environ()))
	return b.Build()
}

// waySpawn is the engine alone, which sleeps in clone until execve, or waits for the
// word in memory that the kernel clears.
func waySpawn(method, path string) (spawnFunc, error) {
	program := rawProgram(path)
	c := raw.Clone{Flags: unix.CLONE_VM | unix.CLONE_CLEAR_SIGHAND | unix.CLONE_FILES, ErrFD: -1}
	if method == goVfork.id {
		c.Flags |= unix.CLONE_VFORK
	}
	return func() error {
		r := raw.NewRun(program)
		defer r.Free()
		pid, errno := r.Start(c)
		if errno != 0 {
			return errno
		}
		for !r.Await(time.Second) {
		}
		var x raw.Exit
		if errno := raw.Waitid(unix.P_PID, pid, unix.WEXITED, &x); errno != 0 {
			return errno
		}
		return nil
	}, nil
}
