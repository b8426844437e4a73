//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestExecNotSeen has a kernel such as gVisor's, which does not show that a child is past
// execve: only a child in vfork shares the memory then. What starts, fails or is canceled does
// so as anywhere.
func TestExecNotSeen(t *testing.T) {
	if !kernel.Here().SharedMemory {
		return // then nobody shares it
	}
	defer kernel.ForTest(func(f *kernel.Features) { f.ExecSeen = false })()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("here"), 0o644); err != nil {
		t.Fatal(err)
	}
	opens := spawntest.Shell("cat <&5")
	opens.Actions.Open(5, file, os.O_RDONLY, 0)
	all := spawntest.Shell("printf here")
	all.Actions.InheritAll()
	for name, c := range map[string]struct {
		spec  *spawn.Spec
		vfork bool
	}{"plain": {spawntest.Shell("printf here"), true}, "opens a file": {opens, false}, "inherits all": {all, false}} {
		p, err := spawn.Compile(c.spec)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		steps := p.Steps()
		clone := steps[slices.IndexFunc(steps, func(s spawn.Step) bool { return s.Name == spawn.StepClone })].String()
		if strings.Contains(clone, "CLONE_VFORK") != c.vfork || strings.Contains(clone, "CLONE_VM") != c.vfork {
			t.Errorf("%s: %s", name, clone)
		}
		if out := spawntest.Output(t, c.spec); out != "here" {
			t.Errorf("%s: %q", name, out)
		}
	}

	missing := spawntest.Shell(":")
	missing.Actions.Open(5, file+"/no", os.O_RDONLY, 0)
	_, err := spawn.Start(context.Background(), missing)
	if how := spawntest.Fails("open", 0, file+"/no", unix.ENOTDIR).Differs(err); how != "" {
		t.Errorf("%v: %s", err, how)
	}
	opens.Path = file
	_, err = spawn.Start(context.Background(), opens)
	if how := spawntest.Fails("execve", -1, file, unix.EACCES).Differs(err); how != "" {
		t.Errorf("%v: %s", err, how)
	}
	held, _ := spawntest.Held(t)
	spawntest.CancelHeld(t, held)
}
