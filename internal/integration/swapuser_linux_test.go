//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

func init() {
	spawntest.Unprivileged("swapped phases", swappedAsUser)
}

// swappedAsUser has what matters only without privilege.
func swappedAsUser(dir string) error {
	list := []swap{{a: plan.NoNewPrivs, b: plan.Seccomp, spec: spawntest.Shell(":", attr.NoNewPrivs{}, spawntest.Refuse(unix.EXDEV, unix.SYS_ACCT)),
		right: yes, wrong: "seccomp EACCES"}}
	if spawntest.HasLandlock() {
		rules, err := attr.NewLandlock(attr.LandlockRules{Execute: spawntest.System(), Write: []string{os.DevNull}, BestEffort: true})
		if err != nil {
			return err
		}
		defer rules.Close()
		list = append(list, swap{a: plan.NoNewPrivs, b: plan.Landlock, spec: spawntest.Shell(":", attr.NoNewPrivs{}, rules.Attr()),
			right: yes, wrong: "landlock EPERM"})
	}
	uid, gid := spawntest.MapOwn()
	own := attr.List{attr.Unshare{Flags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS}, attr.IDMap{UID: uid, GID: gid}}
	if _, state, err := spawntest.TryOutput(spawntest.Shell(":", own...)); err == nil && state.Success() {
		mounted := spawntest.Shell("while read a b c; do [ $b = "+dir+" ] && exit; done </proc/self/mounts; exit 1", own...)
		mounted.Attr = append(mounted.Attr, attr.Mounts{{Target: dir, FSType: "tmpfs"}})
		list = append(list, swap{a: plan.Namespaces, b: plan.Mounts, spec: mounted, right: yes, wrong: "private_mounts EPERM"})
	}
	for _, x := range list {
		if err := x.check(); err != nil {
			return err
		}
	}
	return nil
}

func TestSwappedTerminal(t *testing.T) {
	_, tty := testenv.OpenPTY(t)
	const opens = "(: </dev/tty) 2>/dev/null"
	numbered := spawntest.WithActions(spawntest.Shell(opens, attr.Setsid{}, attr.ControllingTTY{FD: attr.FD(50)}), func(a *spawn.FileActions) { a.File(tty, 50) })
	trySwaps(t, []swap{
		{a: plan.Session, b: plan.Terminal, spec: spawntest.Shell(opens, attr.Setsid{}, attr.ControllingTTY{File: tty}), right: yes, wrong: "ctty EPERM"},
		{a: plan.Terminal, b: plan.CloseRest, spec: spawntest.Shell(opens, attr.Setsid{}, attr.ControllingTTY{File: tty}), right: yes, wrong: "ctty EBADF"},
		{a: plan.Files, b: plan.Terminal, spec: numbered, right: yes, wrong: "ctty EBADF"},
	})
}

// TestSwappedForeground has the leader of a session with a terminal.
func TestSwappedForeground(t *testing.T) {
	_, tty := testenv.OpenPTY(t)
	s := spawntest.WithActions(spawntest.Helper(t, "swapped foreground"), func(a *spawn.FileActions) { a.File(tty, 0) })
	s.Attr = attr.List{attr.Setsid{}, attr.ControllingTTY{File: tty}}
	spawntest.Output(t, s)
}

var _ = testenv.RegisterHelper("swapped foreground", func([]string) int {
	const inFront = "set -- $(cat /proc/$$/stat); [ $5 = $8 ]"
	files := spawntest.Shell(inFront, attr.Setpgid{})
	files.Actions.Tcsetpgrp(0)
	away, err := spawn.Compile(files)
	if err != nil {
		return report(err)
	}
	// Its group is orphaned, so the kernel has an error for it, and does not stop it.
	behind := spawntest.Shell(inFront)
	behind.Actions.Tcsetpgrp(0)
	both, err := swap{a: plan.Files, b: plan.Mask, spec: behind}.both()
	if err != nil {
		return report(err)
	}
	for i, p := range both {
		if got := ending(away); got != yes {
			return report(errors.New(got))
		}
		if got, want := ending(p), []string{yes, "tcsetpgrp ENOTTY"}[i]; got != want {
			return report(fmt.Errorf("from the background: %s, want %s", got, want))
		}
	}
	return report(errors.Join(
		swap{hasten: "foreground", spec: spawntest.Shell(inFront, attr.Setpgid{}, attr.Foreground{File: os.Stdin}), right: yes, wrong: no}.check(),
		swap{a: plan.Session, b: plan.Files, spec: files, right: yes, wrong: no}.check(),
	))
})

// TestSessionOrGroup shows why these two are a contradiction, in any order.
func TestSessionOrGroup(t *testing.T) {
	for call, a := range map[string]attr.Attr{"setsid": attr.Setpgid{}, "setpgid": attr.Setsid{}} {
		s := spawntest.Helper(t, "session or group", call)
		s.Attr = attr.List{a}
		spawntest.Output(t, s)
	}
}

var _ = testenv.RegisterHelper("session or group", func(args []string) int {
	_, err := unix.Setsid()
	if args[0] == "setpgid" {
		err = unix.Setpgid(0, 0)
	}
	if err != unix.EPERM {
		return report(fmt.Errorf("%s: %w", args[0], err))
	}
	return 0
})

// TestSwappedFileTable has a parent that does not mind that its descriptors change.
func TestSwappedFileTable(t *testing.T) {
	if !spawn.Features().Has(spawn.FeatureCloseRange) || !spawn.Features().Has(spawn.FeatureSharedMemory) {
		testenv.Skip(t, "the table is copied")
	}
	spawntest.Output(t, spawntest.Helper(t, "shared table"))
}

var _ = testenv.RegisterHelper("shared table", func([]string) int {
	s := spawntest.Shell(":")
	s.Actions.Open(50, os.DevNull, os.O_RDONLY, 0)
	both, err := swap{a: plan.FileTable, b: plan.Files, spec: s}.both()
	if err != nil {
		return report(err)
	}
	for i, p := range both {
		got := ending(p)
		if _, err := unix.FcntlInt(50, unix.F_GETFD, 0); (err == nil) != (i == 1) || got != yes {
			return report(fmt.Errorf("%d: %s, %w", i, got, err))
		}
	}
	return 0
})
