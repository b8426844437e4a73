//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestUnmappedBesideFrozen wants the error of a start whose id maps can't be written
// while others are made that are frozen before they do anything, and have copies of
// all descriptors.
func TestUnmappedBesideFrozen(t *testing.T) {
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUSER)
	dir, _ := testenv.NewCgroup(t)
	if err := os.WriteFile(filepath.Join(dir.Name(), "cgroup.freeze"), []byte("1"), 0); err != nil {
		testenv.Skip(t, "no cgroup.freeze: "+err.Error())
	}
	defer spawntest.Force("close_range")()
	in := testenv.PublicDir(t)
	reached, goOn := filepath.Join(in, "reached"), filepath.Join(in, "go on")
	if err := errors.Join(unix.Mkfifo(reached, 0o600), unix.Mkfifo(goOn, 0o600)); err != nil {
		t.Fatal(err)
	}
	spawntest.NewIDHelpers(t, "echo >"+reached+"; read line <'"+goOn+"'; exit 1")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	result := spawntest.StartHeld(ctx, spawntest.MappedBy(":"))
	testenv.LineFrom(t, reached) // the helper runs
	w, err := testenv.OpenWriter(goOn)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	time.Sleep(20 * time.Millisecond)
	frozen := spawntest.StartHeld(ctx, &spawn.Spec{Path: "/bin/true", Attr: attr.List{attr.Cgroup{Dir: dir}}})
	time.Sleep(20 * time.Millisecond)
	if _, err := w.WriteString("\n"); err != nil {
		t.Fatal(err)
	}
	if r := testenv.Await(t, "start", result); r.Err == nil {
		t.Errorf("%+v", r)
	}
	cancel()
	testenv.Await(t, "frozen child", frozen)
}
