//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
)

// openPTY makes a pseudo-terminal. The test is skipped where there are none.
func openPTY(t testing.TB) (master, terminal *os.File) {
	t.Helper()
	master, terminal, err := newPTY()
	if err != nil {
		skip(t, "no pseudo-terminals: "+err.Error())
	}
	t.Cleanup(func() { _ = errors.Join(master.Close(), terminal.Close()) })
	return master, terminal
}

func newPTY() (master, terminal *os.File, err error) {
	master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	number := -1
	if err = onDescriptor(master, func(fd int) error {
		if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
			return err
		}
		number, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		return err
	}); err == nil {
		terminal, err = os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		master.Close()
	}
	return master, terminal, err
}

// control calls f with f's descriptor and leaves its flags alone.
func control(t testing.TB, file *os.File, f func(fd int) error) {
	t.Helper()
	if err := onDescriptor(file, f); err != nil {
		t.Fatal(err)
	}
}

func onDescriptor(file *os.File, f func(fd int) error) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	return errors.Join(conn.Control(func(fd uintptr) { inner = f(int(fd)) }), inner)
}

func TestControllingTerminal(t *testing.T) {
	eachEngine(t, func(t *testing.T) {
		_, tty := openPTY(t)
		var st unix.Stat_t
		control(t, tty, func(fd int) error { return unix.Fstat(fd, &st) })
		spec := catSpec(t, attr.ControllingTTY{File: tty}, attr.Setsid{})
		s := parseSeen(output(t, spec))
		// tty_nr holds the device number in its own way.
		nr := uint32(s.number(t, statTTY))
		major, minor := nr>>8&0xfff, nr&0xff|nr>>12&0xfff00
		if major != unix.Major(st.Rdev) || minor != unix.Minor(st.Rdev) {
			t.Errorf("terminal %d:%d, want %d:%d", major, minor, unix.Major(st.Rdev), unix.Minor(st.Rdev))
		}
		if got := s.number(t, statFg); strconv.Itoa(got) != s.pid() {
			t.Errorf("foreground group %d, pid %s", got, s.pid())
		}
		if got := s.number(t, statSession); strconv.Itoa(got) != s.pid() {
			t.Errorf("session %d, pid %s", got, s.pid())
		}
	})
}

// TestControllingTerminalAsStdio has the terminal as 0, and its own number taken
// by another file.
func TestControllingTerminalAsStdio(t *testing.T) {
	eachEngine(t, func(t *testing.T) {
		_, tty := openPTY(t)
		var fd int
		control(t, tty, func(n int) error { fd = n; return nil })
		spec := catSpec(t, attr.Setsid{}, attr.ControllingTTY{File: tty})
		spec.Actions.File(tty, 0)
		spec.Actions.Open(fd, os.DevNull, os.O_RDONLY, 0)
		if got := parseSeen(output(t, spec)).number(t, statFg); got <= 0 {
			t.Errorf("foreground group %d", got)
		}
	})
}

// TestForeground wants tcsetpgrp to work from the background, where it stops a
// process by SIGTTOU.
func TestForeground(t *testing.T) {
	_, tty := openPTY(t)
	s := helper(t, "foreground", catSpec(t).Path)
	s.Attr = attr.List{attr.Setsid{}, attr.ControllingTTY{File: tty}}
	s.Actions.File(tty, 0)
	output(t, s)
}

// It is the leader of a session; its children take the terminal one after the
// other, so that all but the first do so from the background.
var _ = registerHelper("foreground", func(args []string) int {
	for name, change := range spawn.Without {
		restore := spawn.Force(change)
		s := &spawn.Spec{
			Path: args[0], Args: []string{"cat", "/proc/self/status", "/proc/self/stat"},
			Attr: attr.List{attr.Setpgid{}},
		}
		s.Actions.Tcsetpgrp(0)
		out, state, err := tryOutput(s)
		restore()
		if err != nil || !state.Success() {
			fmt.Println(name, state, err)
			return 1
		}
		saw := parseSeen(out)
		if fg := saw.stat[statFg]; fg != saw.pid() || saw.stat[statPgrp] != fg {
			fmt.Println(name, "foreground", fg, "pid", saw.pid())
			return 1
		}
		if strings.Trim(saw.status["SigBlk"], "0") != "" {
			fmt.Println(name, "blocked", saw.status["SigBlk"])
			return 1
		}
	}
	return 0
})

// TestTerminalOfAnotherSession is the one thing that only the kernel can find.
func TestTerminalOfAnotherSession(t *testing.T) {
	_, tty := openPTY(t)
	list := attr.List{attr.Nice(19), attr.ControllingTTY{File: tty}, attr.Setsid{}}
	_, end := liveChild(t, list...)
	defer end()
	eachEngine(t, func(t *testing.T) {
		_, err := spawn.Start(context.Background(), catSpec(t, list...))
		checkFault(t, err, want{"ctty", 1, tty.Name(), []syscall.Errno{unix.EPERM}})
	})
}
