//go:build unix

package exec_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
)

func init() {
	testenv.RegisterHelper("ids", func([]string) int {
		group, _ := unix.Getpgid(0) // never fails
		sid, err := unix.Getsid(0)
		fmt.Printf("leads a group %t, a session %t; %d %d\n", group == os.Getpid(), sid == os.Getpid(), os.Getuid(), os.Getgid())
		return status(err)
	})
}

// helperCmd is a Cmd that runs a helper.
func helperCmd(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.Command(testenv.Self(t), args...)
	c.Args = testenv.HelperArgs(name, args...)
	return c
}

// TestActionsAnywhere performs file actions after the streams, ExtraFiles and Dir are in
// their places, on any Unix.
func TestActionsAnywhere(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("extra "+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	extra, err := os.Open(filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	defer extra.Close()
	var out strings.Builder
	c := helperCmd(t, "report", "x y")
	c.Dir, c.Stdin, c.Stderr, c.ExtraFiles = dir, strings.NewReader("input"), &out, []*os.File{extra}
	c.Actions.Dup2(3, 6)
	c.Actions.Close(3)
	c.Actions.Open(5, "b", os.O_RDONLY, 0)
	c.Actions.Dup2(2, 1)
	if err := c.Run(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`args ["x y"]`, fmt.Sprintf("dir %q", dir), `stdin "input"`, `fd 5 "extra b"`, `fd 6 "extra a"`, "reported",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "fd 3") {
		t.Errorf("3 was closed:\n%s", &out)
	}
}

// TestAttrAnywhere sets attributes that any Unix has, alone and beside SysProcAttr.
func TestAttrAnywhere(t *testing.T) {
	uid, gid := os.Getuid(), os.Getgid()
	plain := fmt.Sprintf("%d %d", uid, gid)
	list := []struct {
		attr attr.List
		sys  *syscall.SysProcAttr
		root bool
		want string
	}{
		{attr: attr.List{attr.Setsid{}}, want: "leads a group true, a session true; " + plain},
		{attr: attr.List{attr.Setpgid{}}, want: "leads a group true, a session false; " + plain},
		{attr: attr.List{attr.ResetIDs{}}, sys: &syscall.SysProcAttr{Setsid: true}, want: "leads a group true, a session true; " + plain},
		{attr: attr.List{attr.InheritIgnored{}}, sys: &syscall.SysProcAttr{Setpgid: true}, want: "leads a group true, a session false; " + plain},
		{attr: attr.List{attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody}}, root: true, want: "leads a group false, a session false; 65534 65534"},
		{
			attr: attr.List{attr.Setpgid{}}, root: true, want: "leads a group true, a session false; 65534 65533",
			sys: &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: testenv.Nobody, Gid: testenv.Nobody - 1}},
		},
	}
	for _, x := range list {
		if x.root && uid != 0 {
			continue
		}
		c := helperCmd(t, "ids")
		if x.root {
			c.Path = anybodys(t)
		}
		c.Attr, c.SysProcAttr = x.attr, x.sys
		out, err := c.Output()
		if got := strings.TrimSpace(string(out)); err != nil || got != x.want {
			t.Errorf("%T beside %+v: %s, %v, want %s", x.attr[0], x.sys, got, err, x.want)
		}
	}
}

// anybodys is a copy of the test binary that anybody may run.
func anybodys(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(testenv.Self(t))
	if err != nil {
		t.Fatal(err)
	}
	return testenv.Write(t, filepath.Join(testenv.PublicDir(t), "test"), string(b), 0o755)
}

// TestAttrAgainstSysProcAttr finds attributes and fields that contradict each other.
func TestAttrAgainstSysProcAttr(t *testing.T) {
	for _, x := range []struct {
		attr attr.Attr
		sys  syscall.SysProcAttr
	}{
		{attr.Setpgid{}, syscall.SysProcAttr{Setsid: true}},
		{attr.Setsid{}, syscall.SysProcAttr{Setsid: true}},
		{attr.Chroot("/"), syscall.SysProcAttr{Chroot: "/"}},
		{attr.Credential{UID: 1, GID: 1}, syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1, Gid: 1}}},
	} {
		c := helperCmd(t, "exit", "0")
		c.Attr, c.SysProcAttr = attr.List{x.attr}, &x.sys
		var conflict *attr.ConflictError
		if err := c.Run(); !errors.As(err, &conflict) || !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%T beside %+v: %v", x.attr, x.sys, err)
		}
	}
}

// TestErrorsOfActions has those of os/exec for the program and Dir, and the index of an
// action or attribute that fails.
func TestErrorsOfActions(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	c := &exec.Cmd{Path: missing, Attr: attr.List{attr.Setsid{}}}
	var pe *fs.PathError
	if err := c.Run(); !errors.As(err, &pe) || pe.Op != "fork/exec" || pe.Path != missing || pe.Err != syscall.ENOENT {
		t.Errorf("%#v", err)
	}
	c = helperCmd(t, "exit", "0")
	c.Dir, c.Attr = missing, attr.List{attr.Setsid{}}
	if err := c.Run(); !errors.As(err, &pe) || pe.Op != "chdir" || pe.Path != missing || pe.Err != syscall.ENOENT {
		t.Errorf("%#v", err)
	}
	c = helperCmd(t, "exit", "0")
	c.Actions.Close(5)
	c.Actions.Open(4, missing, os.O_RDONLY, 0)
	var e *spawn.Error
	if err := c.Run(); !errors.As(err, &e) || e.Part != spawn.PartAction || e.Index != 1 || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%#v", err)
	}
}
