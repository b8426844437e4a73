//go:build !linux || android || !(386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) || spawn_forkexec

package tree

import (
	"errors"
	"os"
)

// newSpace is for the engine, which can start in a pid namespace.
func newSpace() (holder, error) { return nil, errors.ErrUnsupported }

// PIDNamespace is nil.
func (t *Tree) PIDNamespace() func() (*os.File, error) { return nil }
