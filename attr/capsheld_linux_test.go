//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec && !spawn_nolinkname

package attr_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// beforeExec is how a child looks in its file actions, once it is as wanted.
func beforeExec(t *testing.T, wanted func(testenv.Seen) bool, list ...attr.Attr) testenv.Seen {
	t.Helper()
	dir := testenv.PublicDir(t)
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(fifo, 0o644); err != nil {
		t.Fatal(err)
	}
	s := spawntest.Shell(":", list...)
	s.Actions.Open(0, fifo, os.O_RDONLY, 0)
	done := make(chan error, 1)
	go func() {
		_, err := spawn.Run(context.Background(), s)
		done <- err
	}()
	var last testenv.Seen
	testenv.Soon(func() bool { // else the caller has to say what is wrong
		last = testenv.OnlyChild()
		return last.Status != nil && wanted(last)
	})
	w, err := testenv.OpenWriter(fifo)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := testenv.Await(t, "the child", done); err != nil {
		t.Error(err)
	}
	return last
}

// TestCapabilitiesBeforeExec looks at a child that is held up in a file action.
func TestCapabilitiesBeforeExec(t *testing.T) {
	testenv.NeedRoot(t)
	user := attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody}
	sets := attr.Capabilities{
		Effective: []attr.Capability{1, 40}, Permitted: []attr.Capability{1, 2, 3, 31, 32, 40}, Inheritable: []attr.Capability{3, 4, 33, 40}, Ambient: []attr.Capability{3, 40},
		Bounding: []attr.Capability{0, 1, 2, 3, 4, 31, 32, 33, 40},
	}
	part := sets
	part.Inheritable, part.Ambient = nil, nil
	bounding := capMask(sets.Bounding...)
	for name, c := range map[string]struct {
		list attr.List
		want string
	}{
		"all, root":    {attr.List{sets}, capWords(capMask(sets.Inheritable...), capMask(sets.Permitted...), capMask(1, 40), bounding, capMask(3, 40))},
		"all, nobody":  {attr.List{sets, user}, capWords(capMask(sets.Inheritable...), capMask(sets.Permitted...), capMask(1, 40), bounding, capMask(3, 40))},
		"part, nobody": {attr.List{part, user}, capWords(0, capMask(sets.Permitted...), capMask(1, 40), bounding, 0)},
		"none, nobody": {attr.List{attr.NoCapabilities(), user}, capWords(0, 0, 0, 0, 0)},
		"effective":    {attr.List{attr.Capabilities{Effective: []attr.Capability{39}}}, capWords(0, testenv.StatusOf(t, "self").Signals(t, "CapPrm"), capMask(39), testenv.StatusOf(t, "self").Signals(t, "CapBnd"), 0)},
	} {
		spawntest.EachEngine(t, func(t *testing.T) {
			got := beforeExec(t, func(s testenv.Seen) bool { return capLines(s) == c.want }, c.list...)
			if capLines(got) != c.want {
				t.Errorf("%s:\n%s\nwant\n%s", name, capLines(got), c.want)
			}
		})
	}
}

// TestSecureBitsBeforeExec wants file actions without privilege.
func TestSecureBitsBeforeExec(t *testing.T) {
	testenv.NeedRoot(t)
	spawntest.EachEngine(t, func(t *testing.T) {
		s := beforeExec(t, func(s testenv.Seen) bool { return s.Signals(t, "CapEff") == 0 },
			attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody}, attr.SecureBits(0xef))
		if s.Signals(t, "CapEff") != 0 {
			t.Errorf("\n%s", capLines(s))
		}
	})
}
