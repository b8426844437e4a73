//go:build !linux || android || !(386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) || spawn_forkexec

package exec_test

import (
	"errors"
	"testing"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
)

// TestAttrUnsupported has the error of package spawn for what only the engine can do.
func TestAttrUnsupported(t *testing.T) {
	c := &exec.Cmd{Path: testenv.Self(t), Attr: attr.List{attr.InheritIgnored{}, attr.Umask(0o77)}}
	var e *spawn.Error
	var lack *spawn.UnsupportedError
	err := c.Run()
	if !errors.As(err, &e) || e.Part != spawn.PartAttr || e.Index != 1 || !errors.As(err, &lack) || lack.What != "attr.Umask" {
		t.Errorf("%#v", err)
	}
}
