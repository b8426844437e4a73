//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/attrlist"
	"github.com/safespawn/spawn/internal/pidns"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// within makes children in a pid namespace, by a tree.
func within(t *testing.T, open func() (*os.File, error)) attr.Attr {
	t.Helper()
	tree, err := spawn.NewTree(spawn.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tree.Close(); err != nil {
			t.Error(err)
		}
	})
	in, _ := attrlist.TreeOf(attr.List{tree.Attr()})
	in.PIDNamespace = open
	return attrlist.InTree(in)
}

func withinFile(t *testing.T, f *os.File) attr.Attr {
	t.Helper()
	return within(t, func() (*os.File, error) { return f, nil })
}

// newPIDNamespace is a pid namespace with an init.
func newPIDNamespace(t *testing.T) *pidns.Namespace {
	t.Helper()
	ns, err := pidns.New()
	if err != nil {
		testenv.Skip(t, "no pid namespace: "+err.Error())
	}
	t.Cleanup(func() {
		ns.Close()
		testenv.Eventually(t, "the init is reaped", func() bool { return !ns.Alive() })
	})
	return ns
}

// TestInPIDNamespace wants the program itself to be in a pid namespace that exists, and
// to be a child of this process as any other, whatever else it is given.
func TestInPIDNamespace(t *testing.T) {
	ns := newPIDNamespace(t)
	uid, gid := spawntest.MapOwn()
	lists := map[string]attr.List{
		"alone": {}, "copied": {attr.NoHugePages{}}, "suspended": {attr.StartSuspended{}},
		"parent death": {attr.ParentDeathSignal(unix.SIGKILL)}, "scored": {attr.OOMScoreAdj(700)},
		"credential": {attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody}},
	}
	if spawntest.CanMap() {
		lists["mapped"] = attr.List{attr.Namespaces{Flags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS}, attr.IDMap{UID: uid, GID: gid}, attr.OOMScoreAdj(700)}
	}
	spawntest.EachEngine(t, func(t *testing.T) {
		for name, list := range lists {
			s := spawntest.Shell("echo $$ $PPID; read x <&9; exit 7", append(list, withinFile(t, ns.File()))...)
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			out, in, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			s.Actions.File(r, 9)
			s.Actions.File(in, 1)
			p, err := spawn.Start(context.Background(), s)
			if strings.HasSuffix(t.Name(), "shared_memory") || strings.HasSuffix(t.Name(), "anything") {
				if !errors.Is(err, errors.ErrUnsupported) {
					t.Errorf("%s: %v", name, err)
				}
			} else if err != nil {
				t.Errorf("%s: %v", name, err)
			} else {
				seen := testenv.StatusOf(t, fmt.Sprint(p.Pid())).Status
				if f := strings.Fields(seen["NSpid"]); len(f) != 2 || f[0] != fmt.Sprint(p.Pid()) || f[1] == f[0] || seen["PPid"] != fmt.Sprint(os.Getpid()) {
					t.Errorf("%s: NSpid %q, PPid %s", name, seen["NSpid"], seen["PPid"])
				}
				if name == "suspended" {
					if err := p.Signal(unix.SIGCONT); err != nil {
						t.Error(err)
					}
				}
				_, _ = w.WriteString("\n")
				if state, err := p.Wait(context.Background()); err != nil || state.ExitCode() != 7 {
					t.Errorf("%s: %v, %v", name, state, err)
				}
				text := make([]byte, 64)
				n, _ := out.Read(text)
				if f := strings.Fields(string(text[:n])); len(f) != 2 || f[1] != "0" {
					t.Errorf("%s: pid and parent inside %q", name, text[:n])
				}
			}
			for _, f := range []*os.File{r, w, out, in} {
				f.Close()
			}
		}
	})
}

// TestPIDNamespaceEnds wants a child to be killed when the init of its namespace ends,
// and no other to be made in it.
func TestPIDNamespaceEnds(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		if strings.HasSuffix(t.Name(), "shared_memory") || strings.HasSuffix(t.Name(), "anything") {
			return
		}
		ns := newPIDNamespace(t)
		s := spawntest.Shell("exec sleep 600", withinFile(t, ns.File()))
		p, err := spawn.Start(context.Background(), s)
		if err != nil {
			t.Fatal(err)
		}
		ns.Kill()
		state, err := p.Wait(context.Background())
		if err != nil || state.Signal() != syscall.SIGKILL {
			t.Errorf("%v, %v", state, err)
		}
		testenv.Eventually(t, "the init is reaped", func() bool { return !ns.Alive() })
		var e *spawn.Error
		if _, err := spawn.Start(context.Background(), s); !errors.As(err, &e) || e.Step != spawn.StepClone || !errors.Is(err, unix.ENOMEM) {
			t.Errorf("in a dead namespace: %v", err)
		}
	})
}

// TestPIDNamespaceErrors wants the step and the attribute of what fails.
func TestPIDNamespaceErrors(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	closed, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	own, err := os.Open("/proc/self/ns/pid")
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	defer own.Close()
	refused := errors.New("no namespace")
	bad := []syscall.Errno{unix.EINVAL, unix.ENOTSUP}
	if testenv.Lacks(unix.SYS_SETNS) {
		bad = []syscall.Errno{unix.EPERM, unix.ENOTSUP}
	}
	faults := []spawntest.Fault{
		{Name: "null", Spec: spawntest.Shell(":", attr.Umask(0), withinFile(t, null)), Want: spawntest.Fails("setns", 1, "the tree's", bad...)},
		{Name: "new", Spec: spawntest.Shell(":", attr.Namespaces{Flags: unix.CLONE_NEWPID}, withinFile(t, own)), Want: spawntest.Fails("setns", 1, "the tree's", unix.EINVAL, unix.ENOTSUP)},
	}
	if os.Geteuid() != 0 {
		faults = append(faults, spawntest.Fault{Name: "user", Spec: spawntest.Shell(":", withinFile(t, own)), Want: spawntest.Fails("setns", 0, "the tree's", unix.EPERM, unix.ENOTSUP)})
	}
	spawntest.Try(t, faults)
	for want, open := range map[error]func() (*os.File, error){
		os.ErrClosed: func() (*os.File, error) { return closed, nil },
		refused:      func() (*os.File, error) { return nil, refused },
	} {
		var e *spawn.Error
		_, err := spawn.Start(context.Background(), spawntest.Shell(":", attr.Umask(0), within(t, open)))
		if !errors.Is(err, want) || !errors.As(err, &e) || e.Step != spawn.StepSetns || e.Index != 1 {
			t.Errorf("%v, want %v", err, want)
		}
	}
}
