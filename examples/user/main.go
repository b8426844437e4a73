//go:build linux

// User runs a program as another user, with the user's groups and with limits. It needs
// root.
package main

import (
	"log"
	"os"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/lookup"
)

func main() {
	nobody, err := lookup.Credential("nobody")
	if err != nil {
		log.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", "id -un; ulimit -n; ulimit -c")
	cmd.Stdout = os.Stdout
	cmd.Attr = attr.List{nobody, attr.NoFile{Soft: 64, Hard: 64}, attr.Rlimit{Resource: attr.ResourceCore}}
	if err := cmd.Run(); err != nil {
		log.Fatal(err)
	}
}
