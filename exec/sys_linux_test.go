package exec_test

import (
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
)

func killSelf() error {
	err := syscall.Kill(os.Getpid(), syscall.SIGTERM)
	time.Sleep(10 * time.Second) // another thread may be chosen
	return err
}

// warmUp opens what stays open: the null device.
func warmUp() { _ = exec.Command("true").Run() }

// inventory is what is open, the children, and the control groups that this process
// has made. Its dumpable flag is of no interest: os/exec's children with other ids take
// it away.
func inventory() []string {
	return slices.Concat(testenv.FilesAndChildren(), testenv.OwnCgroups())
}
