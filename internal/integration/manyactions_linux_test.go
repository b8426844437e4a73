//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"github.com/safespawn/spawn"
)

// TestManyActions has as many as the child can do, about, and more.
func TestManyActions(t *testing.T) {
	kinds := map[string]func(a *spawn.FileActions, fd int){
		"open": func(a *spawn.FileActions, fd int) { a.Open(fd, os.DevNull, os.O_RDONLY, 0) },
		"tty":  func(a *spawn.FileActions, fd int) { a.Tcsetpgrp(0) },
		"dup2": func(a *spawn.FileActions, fd int) { a.Dup2(0, fd) },
	}
	for _, n := range []int{65000, 65600} {
		for name, add := range kinds {
			s := &spawn.Spec{Path: "/bin/true"}
			for i := range n {
				add(&s.Actions, 5+i%2)
			}
			_, err := spawn.Compile(s)
			var e *spawn.Error
			switch {
			case err == nil && name != "tty":
				if state, err := spawn.Run(t.Context(), s); err != nil || !state.Success() {
					t.Errorf("%d %s: %v, %v", n, name, state, err)
				}
			case err == nil && n > 65535:
				t.Errorf("%d %s: no error", n, name)
			case err != nil && (!errors.As(err, &e) || e.Step != "actions" || !errors.Is(err, syscall.EINVAL)):
				t.Errorf("%d %s: %v", n, name, err)
			}
		}
	}
}
