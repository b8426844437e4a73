//go:build !linux || android || !(386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) || spawn_forkexec

package tree

import (
	"errors"
	"os"

	"github.com/safespawn/spawn/internal/pidns"
)

// guard is for the engine.
type guard struct{}

func (*guard) end() {}

// Guard is nil: there are no guardians.
func (t *Tree) Guard() func() error { return nil }

// Dying has no group.
func Dying() (*os.File, error) {
	return nil, &pidns.Refusal{What: "the engine of Linux", Err: errors.ErrUnsupported}
}

// KeepDying has no guardian.
func KeepDying() error {
	_, err := Dying()
	return err
}
