//go:build !windows

package exec

import (
	"os"
	"syscall"
)

// inheritedEnv is this process's environment.
func inheritedEnv(*syscall.SysProcAttr) ([]string, error) { return os.Environ(), nil }

// addRequired adds nothing: no variable is needed to start a program.
func addRequired(env []string) []string { return env }
