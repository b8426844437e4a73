//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec_test

import (
	"fmt"
	"io"
	"log"

	"github.com/safespawn/spawn/exec"
)

// The program finds a terminal of 50 rows and 132 columns. A line feed is read as
// carriage return and line feed.
func ExampleCmd_Terminal() {
	cmd := exec.Command("stty", "size")
	cmd.PTY = &exec.PTY{Rows: 50, Cols: 132}
	if err := cmd.Start(); err != nil {
		log.Fatal(err)
	}
	defer cmd.Terminal().Close()
	out, err := io.ReadAll(cmd.Terminal())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%q, %v\n", out, cmd.Wait())
	// Output: "50 132\r\n", <nil>
}
