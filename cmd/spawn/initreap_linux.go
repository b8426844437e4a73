//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

package main

import (
	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/raw"
)

// reapOthers reaps all children but the program, until that one has ended. An init of
// --init has no others of its own. It needs no /proc, as spawn.Reap does.
func reapOthers(program int) {
	for {
		var x raw.Exit
		if raw.Waitid(unix.P_ALL, 0, unix.WEXITED|unix.WNOWAIT, &x) != 0 || x.PID == program {
			return
		}
		if raw.Wait4(x.PID, unix.WNOHANG, new(raw.Exit)) != 0 {
			return
		}
	}
}
