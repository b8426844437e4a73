//go:build (amd64 || arm64) && !android && !spawn_forkexec

package attr_test

import (
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
		list := attr.List{attr.NoNewPrivs{}, attr.Optional(spawntest.Refuse(unix.EXDEV, unix.SYS_UNAME)), attr.Optional(attr.Nice(19))}
		if out := spawntest.Output(t, spawntest.Shell("nice; uname 2>/dev/null || echo refused", list...)); out != "19\nrefused\n" {
			t.Errorf("%q", out)
		}
	})
}
