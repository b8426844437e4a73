//go:build !linux || android || !(386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) || spawn_forkexec

package exec

import (
	"fmt"
	"os"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/plan"
)

// errNoPTY is that terminals are made only where the engine is.
var errNoPTY = fmt.Errorf("exec: PTY: %w", &spawn.UnsupportedError{What: "Cmd.PTY", Since: plan.Engine})

func openPTY(*PTY) (master, tty *os.File, err error) { return nil, nil, errNoPTY }

func setSize(*os.File, uint16, uint16) error { return errNoPTY }
