//go:build linux

// Sandbox runs a program in namespaces of its own. The program may use the files of the
// system's directories, and no others.
package main

import (
	"log"
	"os"
	"syscall"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/exec"
)

func main() {
	rules, err := attr.NewLandlock(attr.LandlockRules{Execute: []string{"/bin", "/lib", "/usr"}, BestEffort: true})
	if err != nil {
		log.Fatal(err)
	}
	defer rules.Close()
	cmd := exec.Command("sh", "-c", "echo pid $$, user $(id -u), host $(uname -n); ls /etc || echo no access to /etc")
	cmd.Stdout = os.Stdout
	cmd.Attr = attr.List{
		attr.Namespaces{Flags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS},
		attr.MapRoot(),
		attr.Hostname("box"),
		attr.NoNewPrivs{},
		rules.Attr(),
	}
	if err := cmd.Run(); err != nil {
		log.Fatal(err)
	}
}
