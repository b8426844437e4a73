//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package attr_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestControllingNumber names the terminal by its number in the child, where the
// file actions have put it.
func TestControllingNumber(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		_, tty := testenv.OpenPTY(t)
		for _, fd := range []int{0, 9} {
			spec := spawntest.Cat(t, attr.ControllingTTY{FD: attr.FD(fd)}, attr.Setsid{})
			spec.Actions.File(tty, fd)
			if s := testenv.ParseSeen(spawntest.Output(t, spec)); strconv.Itoa(s.Number(t, testenv.StatFg)) != s.PID() {
				t.Errorf("foreground group %d, pid %s", s.Number(t, testenv.StatFg), s.PID())
			}
		}
	})
}

// TestControllingNumberNotThere has numbers that are nothing in the child, though
// the first is something here.
func TestControllingNumberNotThere(t *testing.T) {
	_, tty := testenv.OpenPTY(t)
	var here int
	testenv.Control(t, tty, func(fd int) error { here = fd; return nil })
	for _, spec := range []*spawn.Spec{
		spawntest.Cat(t, attr.Setsid{}, attr.ControllingTTY{FD: attr.FD(here)}),
		spawntest.WithActions(spawntest.Cat(t, attr.Setsid{}, attr.ControllingTTY{FD: attr.FD(0)}), func(a *spawn.FileActions) { a.Close(0) }),
		spawntest.WithActions(spawntest.Cat(t, attr.Setsid{}, attr.ControllingTTY{FD: attr.FD(9)}), func(a *spawn.FileActions) { a.File(tty, 9); a.CloseFrom(9) }),
	} {
		spawntest.EachEngine(t, func(t *testing.T) {
			_, err := spawn.Compile(spec)
			var e *spawn.Error
			if !errors.As(err, &e) || e.Step != "ctty" || e.Index != 1 || !errors.Is(err, syscall.EINVAL) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestStealTerminal takes a terminal from another session, which needs privilege.
func TestStealTerminal(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		_, tty := testenv.OpenPTY(t)
		for object, a := range map[string]attr.ControllingTTY{"0": {FD: attr.FD(0)}, tty.Name(): {File: tty}} {
			stealTerminal(t, tty, object, a)
		}
	})
}

func stealTerminal(t *testing.T, tty *os.File, object string, a attr.ControllingTTY) {
	_, end := spawntest.LiveChild(t, attr.ControllingTTY{File: tty}, attr.Setsid{})
	defer end()
	refused := spawntest.Fails("ctty", 1, object, unix.EPERM)
	spec := spawntest.Cat(t, attr.Setsid{}, a)
	spec.Actions.File(tty, 0)
	_, err := spawn.Start(context.Background(), spec)
	spawntest.CheckFault(t, err, refused)
	a.Steal = true
	spec.Attr[1] = a
	out, _, err := spawntest.TryOutput(spec)
	if os.Geteuid() != 0 {
		spawntest.CheckFault(t, err, refused)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if s := testenv.ParseSeen(out); strconv.Itoa(s.Number(t, testenv.StatFg)) != s.PID() {
		t.Errorf("%s: foreground group %d, pid %s", object, s.Number(t, testenv.StatFg), s.PID())
	}
}

// TestTerminalGroups is about children in the session of a terminal.
func TestTerminalGroups(t *testing.T) {
	_, tty := testenv.OpenPTY(t)
	s := spawntest.Helper(t, "terminal groups", spawntest.Cat(t).Path)
	s.Attr = attr.List{attr.Setsid{}, attr.ControllingTTY{File: tty}}
	s.Actions.File(tty, 0)
	s.Actions.File(tty, 5)
	spawntest.Output(t, s)
}

// It is the leader of a session. The children take its terminal, or leave it.
var _ = testenv.RegisterHelper("terminal groups", func(args []string) int {
	tty := os.NewFile(5, "tty")
	err := spawntest.EachEngineError(func(string) error {
		s := &spawn.Spec{Path: args[0], Args: []string{"cat", "/proc/self/status", "/proc/self/stat"}}
		s.Actions.Open(0, os.DevNull, os.O_RDONLY, 0)
		for _, a := range []attr.Foreground{{File: tty}, {FD: attr.FD(5)}} {
			s.Attr = attr.List{a, attr.Setpgid{}}
			out, _, err := spawntest.TryOutput(s)
			if saw := testenv.ParseSeen(out); err != nil || saw.Stat[testenv.StatFg] != saw.PID() {
				return fmt.Errorf("not in the foreground: %w, %q", err, out)
			}
		}
		s.Attr = attr.List{attr.Umask(0), attr.Foreground{FD: attr.FD(99)}, attr.Setpgid{}}
		_, _, err := spawntest.TryOutput(s)
		if how := (spawntest.Fails("foreground", 1, "descriptor 99", unix.EBADF)).Differs(err); how != "" {
			return fmt.Errorf("%w: %s", err, how)
		}
		s.Attr, s.Actions = attr.List{attr.DetachTTY{}}, spawn.FileActions{}
		out, _, err := spawntest.TryOutput(s)
		if saw := testenv.ParseSeen(out); err != nil || saw.Stat[testenv.StatTTY] != "0" {
			return fmt.Errorf("not detached: %w, %q", err, out)
		}
		s.Attr = attr.List{attr.Umask(0), attr.DetachTTY{}}
		s.Actions.Open(0, os.DevNull, os.O_RDONLY, 0)
		_, _, err = spawntest.TryOutput(s)
		if how := (spawntest.Fails("noctty", 1, "", unix.ENOTTY)).Differs(err); how != "" {
			return fmt.Errorf("%w: %s", err, how)
		}
		return nil
	})
	return testenv.Status(err)
})
