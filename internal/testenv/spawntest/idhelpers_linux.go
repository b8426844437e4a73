//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package spawntest

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
)

// NewIDHelpers puts scripts in the place of newuidmap and newgidmap. They know their
// file as $file and the child as $pid; what is left of the arguments is the map.
func NewIDHelpers(t testing.TB, script string) {
	t.Helper()
	dir := testenv.PublicDir(t)
	for name, file := range map[string]string{"newuidmap": "uid_map", "newgidmap": "gid_map"} {
		testenv.Write(t, filepath.Join(dir, name), "#!/bin/sh\nfile="+file+" pid=$1\nshift\n"+script+"\n", 0o755)
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
}

// MappedBy is a Spec of a script in a user namespace with the own ids, which the
// helpers map.
func MappedBy(script string, more ...attr.Attr) *spawn.Spec {
	uid, gid := MapOwn()
	return Shell(script, append(more, attr.IDMap{UID: uid, GID: gid, Helpers: true}, attr.Namespaces{Flags: unix.CLONE_NEWUSER})...)
}
