//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package attr_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// inChild is a ruleset that each child makes.
func inChild(t testing.TB, rules attr.LandlockRules) attr.Landlock {
	t.Helper()
	rules.InChild = true
	return spawntest.NewRuleset(t, rules).Attr()
}

// TestInChildMounts wants rules about what the child has mounted, which this process does
// not see.
func TestInChildMounts(t *testing.T) {
	flags := uint(unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID)
	spawntest.NeedNamespaces(t, flags)
	own := attr.List{attr.Namespaces{Flags: flags}, attr.MapRoot(), attr.Mounts{{Source: "proc", Target: "/proc", FSType: "proc"}}, attr.NoNewPrivs{}}
	rules := attr.LandlockRules{Read: []string{"/proc"}, Write: []string{"/dev/null"}, Execute: spawntest.System()}
	spawntest.EachEngine(t, func(t *testing.T) {
		for _, in := range []bool{false, true} {
			l := spawntest.NewRuleset(t, rules).Attr()
			if in {
				l = inChild(t, rules)
			}
			out, state, err := spawntest.TryOutput(spawntest.Shell("exec 2>/dev/null; read x </proc/self/stat && echo ${x%% *}", append(own[:len(own):len(own)], l)...))
			if err != nil || state.Success() != in || in && out != "1\n" {
				t.Errorf("in the child %v: %v, %v, %q", in, state, err, out)
			}
		}
	})
}

// TestInChildRules has the same rules as TestLandlock, about files and directories.
func TestInChildRules(t *testing.T) {
	dir := t.TempDir()
	read := testenv.Write(t, filepath.Join(dir, "read"), "told", 0o644)
	secret := testenv.Write(t, filepath.Join(dir, "secret"), "told", 0o644)
	if err := os.Mkdir(filepath.Join(dir, "write"), 0o755); err != nil {
		t.Fatal(err)
	}
	l := inChild(t, attr.LandlockRules{Read: []string{"read"}, Write: []string{"write", "/dev/null"}, Execute: spawntest.System(), TCPBind: []uint16{1}})
	spawntest.EachEngine(t, func(t *testing.T) {
		for script, works := range map[string]bool{
			"cat " + read: true, "cat " + secret: false, "echo x >write/x && rm write/x": true, "echo x >x": false, "echo x >/dev/null": true,
			"ls -l /proc/self/fd": false, "ls .": false,
		} {
			s := spawntest.Shell("exec 2>/dev/null; "+script, attr.NoNewPrivs{}, l)
			s.Actions.Chdir(dir)
			if _, state, err := spawntest.TryOutput(s); err != nil || state.Success() != works {
				t.Errorf("%s: %v, %v", script, state, err)
			}
		}
	})
}

// TestInChildLimit has a limit that leaves the program no descriptor more.
func TestInChildLimit(t *testing.T) {
	dir := t.TempDir()
	testenv.Program(t, filepath.Join(dir, "program"), 7)
	l := inChild(t, attr.LandlockRules{Execute: []string{dir}})
	spawntest.EachEngine(t, func(t *testing.T) {
		s := &spawn.Spec{Path: filepath.Join(dir, "program"), Attr: attr.List{attr.NoNewPrivs{}, l, attr.NoFile{Soft: 3, Hard: 3}}}
		if state, err := spawn.Run(context.Background(), s); err != nil || state.ExitCode() != 7 {
			t.Errorf("%v, %v", state, err)
		}
	})
}

// TestInChildDescriptors wants none of what the child has opened for the rules in the
// program, and all that the program is to have.
func TestInChildDescriptors(t *testing.T) {
	l := inChild(t, attr.LandlockRules{Read: []string{"/", "/dev/null"}, Execute: []string{"/"}, Write: []string{"/dev/null"}})
	spawntest.EachEngine(t, func(t *testing.T) {
		for name, change := range map[string]func(a *spawn.FileActions){
			"plain": func(*spawn.FileActions) {},
			"some": func(a *spawn.FileActions) {
				a.Open(5, "/dev/null", os.O_RDONLY, 0)
				a.Open(9, "/dev/zero", os.O_RDONLY, 0)
				a.Close(0)
			},
			"all": func(a *spawn.FileActions) { a.InheritAll() },
		} {
			list := func(more ...attr.Attr) string {
				s := spawntest.Shell("ls -l /proc/self/fd | sed 's/.*:[0-9][0-9] //; s/[0-9]*[0-9]]$//'", append([]attr.Attr{attr.NoNewPrivs{}}, more...)...)
				change(&s.Actions)
				out := spawntest.Output(t, s)
				return strings.Join(strings.FieldsFunc(out, func(r rune) bool { return r == '\n' }), ";")
			}
			if with, without := list(l), list(); strings.Contains(with, "landlock") || strings.Count(with, ";") != strings.Count(without, ";") {
				t.Errorf("%s: %q, without rules %q", name, with, without)
			}
		}
	})
}

// TestInChildFaults wants the step, the attribute and the path.
func TestInChildFaults(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	l := inChild(t, attr.LandlockRules{Read: []string{"/", missing}, Execute: []string{"/"}})
	spawntest.EachEngine(t, func(t *testing.T) {
		_, err := spawn.Run(context.Background(), spawntest.Shell(":", attr.NoNewPrivs{}, l))
		var e *spawn.Error
		if !errors.Is(err, unix.ENOENT) || !errors.As(err, &e) || e.Step != spawn.StepLandlock || e.Index != 1 || e.Object != missing {
			t.Errorf("%#v", err)
		}
	})
	l.FD = attr.FD(0)
	if _, err := spawn.Compile(spawntest.Shell(":", attr.NoNewPrivs{}, l)); !errors.Is(err, unix.EINVAL) {
		t.Errorf("with a descriptor: %v", err)
	}
	for _, path := range []string{"", "a\x00b"} {
		if _, err := attr.NewLandlock(attr.LandlockRules{InChild: true, Read: []string{path}, BestEffort: true}); !errors.Is(err, unix.EINVAL) {
			t.Errorf("%q: %v", path, err)
		}
	}
}

func init() {
	spawntest.Unprivileged("Landlock in the child", func(dir string) error {
		if !spawntest.HasLandlock() || !spawntest.CanMap() {
			return nil
		}
		r, err := attr.NewLandlock(attr.LandlockRules{InChild: true, BestEffort: true, Execute: spawntest.System(), Write: []string{dir}})
		if err != nil {
			return err
		}
		flags := uint(unix.CLONE_NEWUSER | unix.CLONE_NEWNS)
		s := spawntest.Shell("echo x >"+dir+"/x && ! cat "+dir+"/x", attr.Namespaces{Flags: flags}, attr.MapRoot(),
			attr.Mounts{{Target: dir, FSType: "tmpfs"}}, attr.NoNewPrivs{}, r.Attr())
		_, state, err := spawntest.TryOutput(s)
		if err != nil || !state.Success() {
			return fmt.Errorf("%v, %w", state, err)
		}
		return r.Close()
	})
}
