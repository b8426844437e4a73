package main

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/testenv"
)

// TestAsInit runs spawn as pid 1. It reaps orphans, passes signals on, and tells by its
// status which signal has ended the program.
func TestAsInit(t *testing.T) {
	t.Parallel()
	needEngine(t, "--new", "user,pid,mount", "--map-root")
	testenv.NeedCall(t, "pidfd_open", unix.SYS_PIDFD_OPEN)
	link := filepath.Join(t.TempDir(), "spawn")
	if err := os.Symlink(testenv.Self(t), link); err != nil {
		t.Fatal(err)
	}
	flags := []string{"--new", "user,pid,mount", "--map-root", "--mount", "type=proc,target=/proc", "--", link}
	if r := try(t, append(flags, "true")...); r.status != 0 {
		testenv.Skip(t, "no namespaces: "+r.errOut)
	}
	const orphan = `orphan=$(sh -c 'sleep 0.1 >/dev/null & echo $!'); while [ -e /proc/$orphan ]; do sleep 0.1; done; echo reaped`
	if got := must(t, append(flags, "sh", "-c", orphan)...); got != "reaped\n" {
		t.Errorf("got %q", got)
	}
	const signals = `trap 'echo got it; kill -KILL $$' TERM; kill -TERM 1; while :; do sleep 0.1; done`
	if r := try(t, append(flags, "sh", "-c", signals)...); r.status != statusSignal+9 || r.out != "got it\n" {
		t.Errorf("%+v", r)
	}
}
