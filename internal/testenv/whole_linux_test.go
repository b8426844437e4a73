package testenv_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/safespawn/spawn/internal/testenv"
)

// TestSpare has a descriptor that a portrait spares, as it is let alone for good, whose file
// somebody else removes afterwards. A process of its own has no files of the go tool.
func TestSpare(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	helper := &exec.Cmd{Path: testenv.Self(t), Args: testenv.HelperArgs("spare", path)}
	if out, err := helper.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

var _ = testenv.RegisterHelper("spare", func(args []string) int {
	return testenv.Status(func() error {
		before := testenv.SettledWhole()
		f, err := os.Create(args[0])
		if err != nil {
			return err
		}
		defer f.Close()
		before.Spare("descriptor ")
		if err := before.Since(); err != nil {
			return err
		}
		if err := os.Remove(args[0]); err != nil {
			return err
		}
		if err := before.Since(); err != nil {
			return fmt.Errorf("after it was removed: %w", err)
		}
		if _, err := f.WriteString("more"); err != nil {
			return err
		}
		if before.Since() == nil {
			return fmt.Errorf("another position in it counts for nothing")
		}
		return nil
	}())
})
