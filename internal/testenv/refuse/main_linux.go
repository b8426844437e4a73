//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

// Command refuse runs a program under a seccomp filter that makes system calls fail, as
// an older kernel or a container does. The program's children have the filter, too.
//
//	refuse ERRNO:CALL,CALL... [ERRNO:CALL...] -- PROGRAM ARGS...
//
// ERRNO is a name such as ENOSYS. CALL is one of those in calls, which has parts of calls,
// too, such as waitid/P_PIDFD. The filter needs CAP_SYS_ADMIN; without it, no_new_privs is set.
//
// .ci/ladder runs the tests of all packages so.
package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/raw/rawtest"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "refuse:", err)
		os.Exit(2)
	}
}

// run returns only if it fails.
func run(args []string) error {
	at := slices.Index(args, "--")
	if at < 0 || at+1 == len(args) {
		return fmt.Errorf("usage: refuse ERRNO:CALL,CALL... -- PROGRAM ARGS...; a CALL is one of %s",
			strings.Join(slices.Sorted(maps.Keys(calls)), " "))
	}
	list, err := filter(args[:at])
	if err != nil {
		return err
	}
	program := args[at+1:]
	path, err := exec.LookPath(program[0])
	if err != nil {
		return err
	}
	if err := install(list); err != nil {
		return err
	}
	return syscall.Exec(path, program, os.Environ())
}

// install gives all threads the filter.
func install(list []unix.SockFilter) error {
	err := rawtest.AddFilterToAll(list)
	if err == unix.EACCES {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return err
		}
		err = rawtest.AddFilterToAll(list)
	}
	return err
}
