//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn_test

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
)

// TestControllingFD names the terminal by its number in the child, where the
// file actions have put it.
func TestControllingFD(t *testing.T) {
	eachEngine(t, func(t *testing.T) {
		_, tty := openPTY(t)
		for _, fd := range []int{0, 9} {
			spec := catSpec(t, attr.ControllingFD{FD: fd}, attr.Setsid{})
			spec.Actions.File(tty, fd)
			if s := parseSeen(output(t, spec)); strconv.Itoa(s.number(t, statFg)) != s.pid() {
				t.Errorf("foreground group %d, pid %s", s.number(t, statFg), s.pid())
			}
		}
	})
}

// TestControllingFDNotThere has numbers that are nothing in the child, though
// the first is something here.
func TestControllingFDNotThere(t *testing.T) {
	_, tty := openPTY(t)
	var here int
	control(t, tty, func(fd int) error { here = fd; return nil })
	for _, spec := range []*spawn.Spec{
		catSpec(t, attr.Setsid{}, attr.ControllingFD{FD: here}),
		withActions(catSpec(t, attr.Setsid{}, attr.ControllingFD{FD: 0}), func(a *spawn.FileActions) { a.Close(0) }),
		withActions(catSpec(t, attr.Setsid{}, attr.ControllingFD{FD: 9}), func(a *spawn.FileActions) { a.File(tty, 9); a.CloseFrom(9) }),
	} {
		eachEngine(t, func(t *testing.T) {
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
	eachEngine(t, func(t *testing.T) {
		_, tty := openPTY(t)
		_, end := liveChild(t, attr.ControllingTTY{File: tty}, attr.Setsid{})
		defer end()
		spec := catSpec(t, attr.Setsid{}, attr.ControllingFD{FD: 0})
		spec.Actions.File(tty, 0)
		_, err := spawn.Start(context.Background(), spec)
		checkFault(t, err, want{"ctty", 1, "0", []syscall.Errno{unix.EPERM}})
		spec.Attr[1] = attr.ControllingFD{FD: 0, Steal: true}
		out, _, err := tryOutput(spec)
		if os.Geteuid() != 0 {
			checkFault(t, err, want{"ctty", 1, "0", []syscall.Errno{unix.EPERM}})
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if s := parseSeen(out); strconv.Itoa(s.number(t, statFg)) != s.pid() {
			t.Errorf("foreground group %d, pid %s", s.number(t, statFg), s.pid())
		}
	})
}

// TestTerminalGroups is about children in the session of a terminal.
func TestTerminalGroups(t *testing.T) {
	_, tty := openPTY(t)
	s := helper(t, "terminal groups", catSpec(t).Path)
	s.Attr = attr.List{attr.Setsid{}, attr.ControllingTTY{File: tty}}
	s.Actions.File(tty, 0)
	s.Actions.File(tty, 5)
	output(t, s)
}

// It is the leader of a session. The children take its terminal, or leave it.
var _ = registerHelper("terminal groups", func(args []string) int {
	tty := os.NewFile(5, "tty")
	err := eachEngineError(func(string) error {
		s := &spawn.Spec{Path: args[0], Args: []string{"cat", "/proc/self/status", "/proc/self/stat"}}
		s.Attr = attr.List{attr.Foreground{File: tty}, attr.Setpgid{}}
		s.Actions.Open(0, os.DevNull, os.O_RDONLY, 0)
		out, _, err := tryOutput(s)
		if saw := parseSeen(out); err != nil || saw.stat[statFg] != saw.pid() {
			return fmt.Errorf("not in the foreground: %w, %q", err, out)
		}
		s.Attr, s.Actions = attr.List{attr.DetachTTY{}}, spawn.FileActions{}
		out, _, err = tryOutput(s)
		if saw := parseSeen(out); err != nil || saw.stat[statTTY] != "0" {
			return fmt.Errorf("not detached: %w, %q", err, out)
		}
		s.Attr = attr.List{attr.Umask(0), attr.DetachTTY{}}
		s.Actions.Open(0, os.DevNull, os.O_RDONLY, 0)
		_, _, err = tryOutput(s)
		if how := (want{"noctty", 1, "", []syscall.Errno{unix.ENOTTY}}).differs(err); how != "" {
			return fmt.Errorf("%w: %s", err, how)
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
})
