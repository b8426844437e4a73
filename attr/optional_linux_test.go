//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package attr_test

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestOptionalInChild has rules that take the child many calls, of which some may fail.
func TestOptionalInChild(t *testing.T) {
	l := inChild(t, attr.LandlockRules{Execute: []string{"/"}})
	wrong(t, attr.List{attr.NoNewPrivs{}, attr.Optional(l)}, 1)
}

// TestOptionalIsInForce wants a program to have what is optional and can be set.
func TestOptionalIsInForce(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		s := spawntest.Helper(t, "notified calls", "nice", "", "mkdir", t.TempDir()+"/x")
		s.Attr = attr.List{attr.NoNewPrivs{}, attr.Optional(spawntest.Refuse(unix.EXDEV, unix.SYS_MKDIRAT)), attr.Optional(attr.Nice(19))}
		if out, want := spawntest.Output(t, s), fmt.Sprintf("19 <nil>\n%v\n", unix.EXDEV); out != want {
			t.Errorf("%q, want %q", out, want)
		}
	})
}
