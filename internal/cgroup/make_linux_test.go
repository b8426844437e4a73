package cgroup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/testenv"
)

// TestMakeBesideOthers has somebody take a new group for a leftover: it is removed after it
// was opened, and before it is locked. The opening of a FIFO holds that up.
func TestMakeBesideOthers(t *testing.T) {
	parent, err := testenv.MakeCgroup()
	if err != nil {
		testenv.Skip(t, "no cgroup can be made: "+err.Error())
	}
	defer testenv.RemoveCgroup(t, parent)
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	defer ForTest{Kill: strings.Repeat("../", 20) + fifo}.Force()()

	type result struct {
		g   *Group
		err error
	}
	made := make(chan result)
	go func() {
		g, err := makeGroup(parent)
		made <- result{g, err}
	}()
	var first string
	testenv.Eventually(t, "a group that is open", func() bool {
		for _, target := range testenv.OpenFDs() {
			if strings.HasPrefix(target, parent+"/") {
				first = target
			}
		}
		return first != ""
	})
	if err := os.Remove(first); err != nil {
		t.Error(err)
	}
	reader, err := os.OpenFile(fifo, os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	r := testenv.Await(t, "the group", made)
	if r.err != nil {
		t.Fatal(r.err)
	}
	if _, err := os.Stat(r.g.Path()); err != nil {
		t.Error(err)
	}
	if err := r.g.Remove(); err != nil {
		t.Error(err)
	}
}
