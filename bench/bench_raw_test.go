//go:build linux && (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package main

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/raw"
)

const rawFlags = unix.CLONE_VM | unix.CLONE_VFORK | unix.CLONE_CLEAR_SIGHAND

// BenchmarkCloneWait measures the engine alone: clone3, execve, and a waitid
// that blocks. What Program.Start and Wait add to it is the library.
func BenchmarkCloneWait(b *testing.B) {
	program := rawProgram(tinyProgram(b))
	for _, c := range []struct {
		name  string
		flags uint64
	}{
		{"copied-table", rawFlags},
		{"shared-table", rawFlags | unix.CLONE_FILES},
		{"pidfd", rawFlags | unix.CLONE_PIDFD},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				cloneWait(b, program, c.flags)
			}
		})
	}
}

func cloneWait(b *testing.B, program *raw.Program, flags uint64) {
	r := raw.NewRun(program)
	defer r.Free()
	pid, errno := r.Start(raw.Clone{Flags: flags, ErrFD: -1})
	if errno != 0 {
		b.Fatal(errno)
	}
	defer func() {
		if fd := r.Pidfd(); fd >= 0 {
			unix.Close(fd)
		}
	}()
	if step, errno, failed := r.Failure(); failed {
		b.Fatal(step, errno)
	}
	var x raw.Exit
	if errno := raw.Waitid(unix.P_PID, pid, unix.WEXITED, &x); errno != 0 || x.Status != 0 {
		b.Fatal(errno, x.Status)
	}
}
