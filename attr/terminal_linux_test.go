//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package attr_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

func TestControllingTerminal(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		_, tty := testenv.OpenPTY(t)
		var st unix.Stat_t
		testenv.Control(t, tty, func(fd int) error { return unix.Fstat(fd, &st) })
		spec := spawntest.Cat(t, attr.ControllingTTY{File: tty}, attr.Setsid{})
		s := testenv.ParseSeen(spawntest.Output(t, spec))
		// tty_nr holds the device number in its own way.
		nr := uint32(s.Number(t, testenv.StatTTY))
		major, minor := nr>>8&0xfff, nr&0xff|nr>>12&0xfff00
		if major != unix.Major(st.Rdev) || minor != unix.Minor(st.Rdev) {
			t.Errorf("terminal %d:%d, want %d:%d", major, minor, unix.Major(st.Rdev), unix.Minor(st.Rdev))
		}
		if got := s.Number(t, testenv.StatFg); strconv.Itoa(got) != s.PID() {
			t.Errorf("foreground group %d, pid %s", got, s.PID())
		}
		if got := s.Number(t, testenv.StatSession); strconv.Itoa(got) != s.PID() {
			t.Errorf("session %d, pid %s", got, s.PID())
		}
	})
}

// TestControllingTerminalAsStdio has the terminal as 0, and its own number taken
// by another file.
func TestControllingTerminalAsStdio(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		_, tty := testenv.OpenPTY(t)
		var fd int
		testenv.Control(t, tty, func(n int) error { fd = n; return nil })
		spec := spawntest.Cat(t, attr.Setsid{}, attr.ControllingTTY{File: tty})
		spec.Actions.File(tty, 0)
		spec.Actions.Open(fd, os.DevNull, os.O_RDONLY, 0)
		if got := testenv.ParseSeen(spawntest.Output(t, spec)).Number(t, testenv.StatFg); got <= 0 {
			t.Errorf("foreground group %d", got)
		}
	})
}

// TestForeground wants tcsetpgrp to work from the background, where it stops a
// process by SIGTTOU.
func TestForeground(t *testing.T) {
	_, tty := testenv.OpenPTY(t)
	s := spawntest.Helper(t, "foreground", spawntest.Cat(t).Path)
	s.Attr = attr.List{attr.Setsid{}, attr.ControllingTTY{File: tty}}
	s.Actions.File(tty, 0)
	spawntest.Output(t, s)
}

// It is the leader of a session; its children take the terminal one after the
// other, so that all but the first do so from the background.
var _ = testenv.RegisterHelper("foreground", func(args []string) int {
	for name, change := range spawntest.Without {
		restore := kernel.ForTest(change)
		s := &spawn.Spec{
			Path: args[0], Args: []string{"cat", "/proc/self/status", "/proc/self/stat"},
			Attr: attr.List{attr.Setpgid{}},
		}
		s.Actions.Tcsetpgrp(0)
		out, state, err := spawntest.TryOutput(s)
		restore()
		if err != nil || !state.Success() {
			fmt.Println(name, state, err)
			return 1
		}
		saw := testenv.ParseSeen(out)
		if fg := saw.Stat[testenv.StatFg]; fg != saw.PID() || saw.Stat[testenv.StatPgrp] != fg {
			fmt.Println(name, "foreground", fg, "pid", saw.PID())
			return 1
		}
		if strings.Trim(saw.Status["SigBlk"], "0") != "" {
			fmt.Println(name, "blocked", saw.Status["SigBlk"])
			return 1
		}
	}
	return 0
})

// TestTerminalOfAnotherSession is the one thing that only the kernel can find.
func TestTerminalOfAnotherSession(t *testing.T) {
	_, tty := testenv.OpenPTY(t)
	list := attr.List{attr.Nice(19), attr.ControllingTTY{File: tty}, attr.Setsid{}}
	_, end := spawntest.LiveChild(t, list...)
	defer end()
	spawntest.EachEngine(t, func(t *testing.T) {
		_, err := spawn.Start(context.Background(), spawntest.Cat(t, list...))
		spawntest.CheckFault(t, err, spawntest.Fails("ctty", 1, tty.Name(), unix.EPERM))
	})
}
