//go:build !linux || android || !(386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) || spawn_forkexec

package spawn

import (
	"os"

	"github.com/safespawn/spawn/internal/plan"
)

func attach(int) (*Process, error) { return nil, missing("Attach", "the clone engine", plan.Engine) }

func attachPidfd(*os.File) (*Process, error) {
	return nil, missing("AttachPidfd", "the clone engine", plan.Engine)
}
