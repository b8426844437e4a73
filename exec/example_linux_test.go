//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec_test

import (
	"log"
	"os"
	"syscall"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/exec"
)

// The attributes are set before the program begins, in the order that works.
func ExampleCmd_attributes() {
	cmd := exec.Command("sh", "-c", "ulimit -n; ulimit -c; umask; kill -TERM $$; echo TERM is ignored")
	cmd.Stdout = os.Stdout
	cmd.Attr = attr.List{
		attr.NoFile{Soft: 64, Hard: 64},
		attr.Rlimit{Resource: attr.ResourceCore},
		attr.Umask(0o027),
		attr.SigIgnore{syscall.SIGTERM},
		attr.NoNewPrivs{},
	}
	if err := cmd.Run(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 64
	// 0
	// 0027
	// TERM is ignored
}
