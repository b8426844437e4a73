//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestPesteredByChildren has children send their parent what looks like news of other
// children. Nobody is taken for dead who lives, and each status is the right one.
func TestPesteredByChildren(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		lives := spawntest.Start(t, spawntest.Shell("exec sleep 600"))
		for range 3 {
			state, err := spawn.Run(t.Context(), spawntest.Helper(t, pesters))
			if err != nil || state.ExitCode() != 5 {
				t.Errorf("%v, %v", state, err)
			}
		}
		if err := lives.Kill(); err != nil {
			t.Error(err)
		}
		if state, err := lives.Wait(context.Background()); err != nil || state.Signal() != unix.SIGKILL {
			t.Errorf("%v, %v", state, err)
		}
	})
}

var pesters = testenv.RegisterHelper("pesters", func([]string) int {
	parent := os.Getppid()
	for range 300 {
		for _, sig := range []unix.Signal{unix.SIGCHLD, unix.SIGURG, unix.SIGCONT, unix.SIGWINCH} {
			if err := unix.Kill(parent, sig); err != nil {
				return testenv.Status(err)
			}
		}
	}
	return 5
})

// TestSignalledGroup has children with a process group or a session of their own signal their
// group: it isn't their parent's.
func TestSignalledGroup(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		s := spawntest.Helper(t, groupSignalled)
		s.Attr = attr.List{attr.Setpgid{}}
		spawntest.Output(t, s)
	})
}

var groupSignalled = testenv.RegisterHelper("a child signals its group", func([]string) int {
	const script = "kill -KILL 0"
	for _, list := range []attr.List{{attr.Setpgid{}}, {attr.Setsid{}}} {
		state, err := spawn.Run(context.Background(), spawntest.Shell(script, list...))
		if err != nil || state.Signal() != unix.SIGKILL {
			return testenv.Status(fmt.Errorf("%#v: %v, %w", list, state, err))
		}
	}
	return 0
})

// A child types for its parent at the terminal that both have. One of another session, or
// without a terminal, can't, whatever it opens.
var _ = spawntest.Unprivileged("input from a child", func(string) error {
	master, tty, err := testenv.NewPTY()
	if err != nil {
		return nil // there are none
	}
	defer master.Close()
	defer tty.Close()
	s := ownHelper(typistsParent, attr.Setsid{}, attr.ControllingTTY{File: tty})
	s.Actions.File(tty, 0)
	out, state, err := spawntest.TryOutput(s)
	if err == nil && !state.Success() {
		err = fmt.Errorf("%v: %s", state, out)
	}
	return err
})

// ownHelper is a helper, of a helper.
func ownHelper(name string, list ...attr.Attr) *spawn.Spec {
	return &spawn.Spec{Path: "/proc/self/exe", Args: testenv.HelperArgs(name), Attr: list}
}

// typed is the status of a child that has typed.
const typed = 3

var typistsParent = testenv.RegisterHelper("has typists", func([]string) int {
	err := spawntest.EachEngineError(func(string) error {
		for _, list := range []attr.List{{attr.Setsid{}}, {attr.DetachTTY{}}} {
			state, err := spawn.Run(context.Background(), ownHelper(types, list...))
			if err == nil && !state.Success() {
				err = state.Err()
			}
			if err != nil {
				return fmt.Errorf("%#v: %w", list, err)
			}
		}
		n, err := unix.IoctlGetInt(0, unix.TIOCINQ)
		if n != 0 {
			return fmt.Errorf("%d bytes were typed", n)
		}
		return err
	})
	if allowed, _ := os.ReadFile("/proc/sys/dev/tty/legacy_tiocsti"); err == nil && strings.HasPrefix(string(allowed), "1") {
		var state *spawn.ProcessState
		if state, err = spawn.Run(context.Background(), ownHelper(types)); err == nil && state.ExitCode() != typed {
			err = fmt.Errorf("a child of this session: %v", state)
		}
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
})

var types = testenv.RegisterHelper("types", func([]string) int {
	terminal, err := os.Readlink("/proc/self/fd/0")
	if err != nil {
		return testenv.Status(err)
	}
	key := byte('\n')
	for _, path := range []string{"", "/dev/tty", terminal} {
		fd := 0
		if path != "" {
			if fd, err = unix.Open(path, unix.O_RDWR, 0); err != nil {
				continue
			}
		}
		_ = unix.IoctlSetInt(fd, unix.TIOCSCTTY, 0) // it is another session's
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCSTI, reflect.ValueOf(&key).Pointer()); errno == 0 {
			return typed
		}
	}
	return 0
})

// TestSetuidProgram runs a program with a set-user-ID bit. It has its owner's id as with
// fork, whoever starts it. With NoNewPrivs, and in a user namespace without its owner, it
// has not.
func TestSetuidProgram(t *testing.T) {
	testenv.NeedRoot(t)
	const owner = 12345
	dir := testenv.PublicDir(t)
	text, err := os.ReadFile(testenv.Self(t))
	if err != nil {
		t.Fatal(err)
	}
	path := testenv.Write(t, filepath.Join(dir, "program"), string(text), 0o755)
	if err := errors.Join(os.Chown(path, owner, -1), os.Chmod(path, 0o755|os.ModeSetuid)); err != nil {
		t.Fatal(err)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil || fs.Flags&unix.ST_NOSUID != 0 {
		testenv.Skip(t, "the file system has no set-user-ID bits")
	}
	nobody := attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody}
	for _, c := range []struct {
		what string
		list attr.List
		want string
	}{
		{"root's", nil, "0 12345 12345"},
		{"nobody's", attr.List{nobody}, "65534 12345 12345"},
		{"root's, no new privileges", attr.List{attr.NoNewPrivs{}}, "0 0 0"},
		{"nobody's, no new privileges", attr.List{nobody, attr.NoNewPrivs{}}, "65534 65534 65534"},
	} {
		spawntest.EachEngine(t, func(t *testing.T) {
			s := &spawn.Spec{Path: path, Args: testenv.HelperArgs(tellsIDs), Attr: c.list}
			if got, want := spawntest.Output(t, s), c.want+"\n"; got != want {
				t.Errorf("%s: %q, want %q", c.what, got, want)
			}
		})
	}
	if !spawntest.CanMap() {
		return
	}
	spawntest.EachEngine(t, func(t *testing.T) {
		one := []attr.IDMapEntry{{Size: 1}}
		s := &spawn.Spec{Path: path, Args: testenv.HelperArgs(tellsIDs), Attr: attr.List{
			attr.Namespaces{Flags: unix.CLONE_NEWUSER}, attr.IDMap{UID: one, GID: one, Setgroups: true},
		}}
		if got, want := spawntest.Output(t, s), "0 0 0\n"; got != want {
			t.Errorf("in a user namespace: %q, want %q", got, want)
		}
	})
}

var tellsIDs = testenv.RegisterHelper("tells its ids", func([]string) int {
	real, effective, saved := unix.Getresuid()
	fmt.Println(real, effective, saved)
	return 0
})
