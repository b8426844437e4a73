//go:build (386 || amd64 || arm64 || riscv64) && !android && !spawn_forkexec

package spawn_test

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/cgroup"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestTreeNotYetLocked has a process of another pid namespace make a tree, and take a
// control group for a leftover that was just made, and is not yet locked. It was removed, so
// another one is made.
func TestTreeNotYetLocked(t *testing.T) {
	if !canHold(t) {
		testenv.Skip(t, "no control group can be made")
	}
	flags := spawntest.WithUser(unix.CLONE_NEWPID)
	spawntest.NeedNamespaces(t, flags)
	own, err := cgroup.Own()
	if err != nil {
		t.Fatal(err)
	}
	// Between the directory and its lock the file of cgroup.kill is opened: here it's a FIFO.
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	kill, err := filepath.Rel(filepath.Join(own, "group"), fifo)
	if err != nil {
		t.Fatal(err)
	}
	defer cgroup.ForTest{Kill: kill}.Force()()
	var tree *spawn.Tree
	made := make(chan error, 1)
	go func() {
		var err error
		tree, err = spawn.NewTree(spawn.Limits{})
		made <- err
	}()
	path := ""
	testenv.Eventually(t, "the directory is open", func() bool {
		files := slices.Collect(maps.Values(testenv.OpenFDs()))
		i := slices.IndexFunc(files, func(f string) bool { return strings.HasPrefix(filepath.Base(f), cgroup.OwnPrefixForTest()) })
		if i >= 0 {
			path = filepath.Join(own, filepath.Base(files[i]))
		}
		return i >= 0
	})
	other := spawntest.Helper(t, makeTree)
	other.Attr = append(other.Attr, attr.Namespaces{Flags: flags})
	spawntest.Output(t, other)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is there: %v", path, err)
	}
	reader, err := os.OpenFile(fifo, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := testenv.Await(t, "the tree", made); err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	if _, err := spawn.Run(t.Context(), inTree(tree, ":")); err != nil {
		t.Error(err)
	}
}

var makeTree = testenv.RegisterHelper("make a tree", func([]string) int {
	tree, err := spawn.NewTree(spawn.Limits{})
	if err != nil {
		return testenv.Status(err)
	}
	_, err = spawn.Run(context.Background(), inTree(tree, ":"))
	return testenv.Status(errors.Join(err, tree.Close()))
})
