//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

func init() {
	testenv.RegisterHelper("sockets", func([]string) int {
		own := os.Getenv("LISTEN_PID") == fmt.Sprint(os.Getpid())
		fmt.Print(own, " ", os.Getenv("LISTEN_FDS"), " ", os.Getenv("LISTEN_FDNAMES"), " ", os.Getenv("HOME"))
		for fd := 3; fd < 64; fd++ {
			var st unix.Stat_t
			if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 && unix.Fstat(fd, &st) == nil {
				fmt.Print(" ", fd, st.Mode&unix.S_IFMT == unix.S_IFSOCK)
			}
		}
		return 0
	})
}

// TestListenFDs wants the pid to be the program's own, also for several at once.
func TestListenFDs(t *testing.T) {
	l, err := net.Listen("unix", t.TempDir()+"/socket")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	spawntest.EachEngine(t, func(t *testing.T) {
		err := testenv.AtOnce(4, func() error {
			c := helperCmd(t, "sockets")
			c.Env = []string{"LISTEN_PID=1", "LISTEN_FDS=7", "HOME=/"}
			c.ListenFDs = exec.ListenFDs{{Name: "http", File: f}, {File: f}}
			c.ExtraFiles = []*os.File{null}
			out, err := c.Output()
			if want := "true 2 http:unknown / 3 true 4 true 5 false"; err != nil || string(out) != want {
				return fmt.Errorf("%q, %w, want %q", out, err, want)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// TestListenFDsInNamespace wants the pid to be that of the program's own namespace.
func TestListenFDsInNamespace(t *testing.T) {
	spawntest.NeedNamespaces(t, spawntest.WithUser(unix.CLONE_NEWPID))
	c := helperCmd(t, "sockets")
	c.Env = []string{}
	c.ListenFDs = exec.ListenFDs{{File: os.Stdin}}
	c.Attr = attr.List{attr.Namespaces{Flags: spawntest.WithUser(unix.CLONE_NEWPID)}}
	if out, err := c.Output(); err != nil || !strings.HasPrefix(string(out), "true 1 unknown") {
		t.Errorf("%q, %v", out, err)
	}
}

func TestListenFDsFaults(t *testing.T) {
	for _, l := range []exec.ListenFDs{{{Name: "x"}}, {{Name: "a:b", File: os.Stdin}}, {{Name: strings.Repeat("x", 256), File: os.Stdin}}, {{Name: "\n", File: os.Stdin}}} {
		c := helperCmd(t, "sockets")
		c.ListenFDs = l
		if err := c.Start(); err == nil {
			t.Errorf("%q: no error", l[0].Name)
		}
	}
}

// TestDirFile wants the directory itself, also when it has another name by then.
func TestDirFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(dir+"/old", 0o755); err != nil {
		t.Fatal(err)
	}
	testenv.Write(t, dir+"/old/file", "here", 0o600)
	f, err := os.Open(dir + "/old")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Rename(dir+"/old", dir+"/new"); err != nil {
		t.Fatal(err)
	}
	for _, stdin := range []io.Reader{nil, strings.NewReader("")} {
		c := exec.Command("cat", "file")
		c.DirFile, c.Stdin = f, stdin
		if out, err := c.Output(); string(out) != "here" || err != nil {
			t.Errorf("%q, %v", out, err)
		}
	}
	c := exec.Command("cat")
	c.DirFile = os.Stdin
	c.Dir = "/"
	if err := c.Start(); err == nil {
		t.Error("both Dir and DirFile")
	}
	file := testenv.Write(t, dir+"/plain", "", 0o600)
	if f, err = os.Open(file); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c = exec.Command("cat")
	c.DirFile = f
	if err := c.Run(); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("no directory: %v", err)
	}
}
