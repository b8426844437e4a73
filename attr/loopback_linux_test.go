//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package attr_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// loopback sends a text to itself, by way of the loopback interface. Its status is refused
// where there is no way.
var _ = testenv.RegisterHelper("loopback", func([]string) int {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return refused
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			io.WriteString(c, "echo")
			c.Close()
		}
	}()
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		fmt.Println(err)
		return refused
	}
	text, err := io.ReadAll(c)
	fmt.Println(string(text), err)
	return 0
})

func TestLoopback(t *testing.T) {
	flags := spawntest.WithUser(unix.CLONE_NEWNET)
	spawntest.NeedNamespaces(t, flags)
	spawntest.EachEngine(t, func(t *testing.T) {
		for _, own := range []attr.Attr{attr.Namespaces{Flags: flags}, attr.Unshare{Flags: flags}} {
			for _, up := range []bool{false, true} {
				s := spawntest.Helper(t, "loopback")
				s.Attr = append(s.Attr, own)
				want := refused
				if up {
					s.Attr, want = append(s.Attr, attr.Loopback{}), 0
				}
				out, state, err := spawntest.TryOutput(s)
				if err != nil || state.ExitCode() != want || up != (out == "echo <nil>\n") {
					t.Errorf("%T, up %v: %v, %v, %q", own, up, state, err, out)
				}
			}
		}
	})
}

// TestLoopbackIsNotInherited has the socket's number free for the program, whether this
// process's standard input is open or not.
func TestLoopbackIsNotInherited(t *testing.T) {
	flags := spawntest.WithUser(unix.CLONE_NEWNET)
	spawntest.NeedNamespaces(t, flags)
	spawntest.EachEngine(t, func(t *testing.T) {
		for _, change := range []func(a *spawn.FileActions){
			func(*spawn.FileActions) {},
			func(a *spawn.FileActions) { a.InheritAll() },
			func(a *spawn.FileActions) { a.Close(0) },
		} {
			s := spawntest.Shell("ls -l /proc/self/fd", attr.Namespaces{Flags: flags}, attr.Loopback{})
			change(&s.Actions)
			if out := spawntest.Output(t, s); strings.Contains(out, "socket:") {
				t.Errorf("%q", out)
			}
		}
	})
}

func init() {
	spawntest.Unprivileged("loopback", func(string) error {
		if !spawntest.CanMap() {
			return nil
		}
		self, err := os.Executable()
		if err != nil {
			return err
		}
		s := &spawn.Spec{Path: self, Args: testenv.HelperArgs("loopback"), Attr: attr.List{
			attr.Namespaces{Flags: unix.CLONE_NEWUSER | unix.CLONE_NEWNET}, attr.MapSelf(), attr.Loopback{}, attr.NoCapabilities(),
		}}
		out, state, err := spawntest.TryOutput(s)
		if err != nil || !state.Success() {
			return fmt.Errorf("%v, %w, %s", state, err, out)
		}
		return nil
	})
}

// TestLoopbackWithoutPrivilege is about a process that may make the namespace, but not
// change its interfaces.
func TestLoopbackWithoutPrivilege(t *testing.T) {
	testenv.NeedRoot(t)
	spawntest.NeedNamespaces(t, unix.CLONE_NEWNET)
	s := spawntest.Helper(t, "loopback without privilege")
	var others []attr.Capability
	for c := attr.Capability(0); c <= unix.CAP_LAST_CAP; c++ {
		if c != unix.CAP_NET_ADMIN {
			others = append(others, c)
		}
	}
	s.Attr = append(s.Attr, attr.Capabilities{Bounding: others})
	if out, state, err := spawntest.TryOutput(s); err != nil || !state.Success() {
		t.Errorf("%v, %v, %s", state, err, out)
	}
}

var _ = testenv.RegisterHelper("loopback without privilege", func([]string) int {
	s := spawntest.Shell(":", attr.Unshare{Flags: unix.CLONE_NEWNET}, attr.Loopback{})
	_, err := spawn.Run(context.Background(), s)
	var e *spawn.Error
	if !errors.Is(err, unix.EPERM) || !errors.As(err, &e) || e.Step != spawn.StepLoopback || e.Index != 1 || e.Object != "lo" ||
		!strings.Contains(e.Hint, "CAP_NET_ADMIN") {
		fmt.Printf("%#v\n", err)
		return 1
	}
	return 0
})
