//go:build unix

package spawn_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// programTree makes files, with mode 0755 where the name ends in "*", and symbolic
// links where it has " -> ".
func programTree(t *testing.T, names ...string) (dir string) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		name, target, link := strings.Cut(name, " -> ")
		name, program := strings.CutSuffix(name, "*")
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		switch {
		case link:
			err = os.Symlink(target, path)
		case program:
			testenv.Write(t, path, "", 0o755)
		default:
			testenv.Write(t, path, "", 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLookPath(t *testing.T) {
	dir := programTree(t, "a/tool*", "b/tool*", "a/text", "b/other*", "c/text", "a/sub/x", "d -> b")
	in := func(name string) string { return dir + "/" + name }
	t.Setenv("PATH", in("b"))
	t.Chdir(in("a"))
	for _, c := range []struct {
		name, path, dir, want string
		err                   error
	}{
		{"tool", in("a") + ":" + in("b"), "", in("a/tool"), nil},
		{"other", in("a") + ":" + in("b"), "", in("b/other"), nil},
		{"tool", "b:a", dir, in("b/tool"), nil},
		{"other", "../d", in("a"), in("a/../d/other"), nil},
		{"tool", "b", "..", in("a/../b/tool"), nil},
		{"tool", "", in("a"), "", fs.ErrNotExist},
		{"tool", ":/", in("a"), in("a/tool"), nil},
		{"tool", ":.:a", "", "", fs.ErrNotExist}, // none is absolute, and there is no dir
		{"text", in("a"), "", "", fs.ErrPermission},
		{"sub", in("a"), "", "", fs.ErrPermission},
		{"text", in("a") + ":" + in("missing"), "", "", fs.ErrPermission},
		{"text/x", in("a"), in("a"), "", syscall.ENOTDIR},
		{"./tool", "", "", in("a/./tool"), nil},
		{"b/tool", "", dir, in("b/tool"), nil},
		{"", in("a"), "", "", syscall.EINVAL},
		{"a\x00", in("a"), "", "", syscall.EINVAL},
	} {
		got, err := spawn.LookPath(c.name, []string{"PATH=/nowhere", "PATH=" + c.path}, c.dir)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%q in %q from %q: %q, %v, want %q, %v", c.name, c.path, c.dir, got, err, c.want, c.err)
		}
		var e *spawn.Error
		if err != nil && (!errors.As(err, &e) || e.Step != spawn.StepPath || e.Path != c.name) {
			t.Errorf("%q: %#v", c.name, err)
		}
	}
	if got, err := spawn.LookPath("tool", nil, ""); got != in("b/tool") || err != nil {
		t.Errorf("the PATH of this process: %q, %v", got, err)
	}
	if got, err := spawn.LookPath("tool", []string{}, dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no PATH: %q, %v", got, err)
	}
}

func TestSpecLookPath(t *testing.T) {
	dir := programTree(t, "root/bin/tool*", "root/usr -> /", "root/out -> ../../outside", "outside/evil*", "root/loop -> loop",
		"root/opt/link -> /bin/tool", "outside/bin/tool*")
	root := filepath.Join(dir, "root")
	for _, c := range []struct {
		name, path string
		chdir      []string
		attrs      attr.List
		want       string
		err        error
	}{
		{"tool", "/usr/bin", nil, attr.List{attr.Chroot(root)}, "/usr/bin/tool", nil},
		{"tool", "bin", nil, attr.List{attr.Chroot(root)}, "/bin/tool", nil},
		{"tool", "bin", []string{"/opt"}, attr.List{attr.PivotRoot(root)}, "", fs.ErrNotExist},
		{"link", ".", []string{"/", "opt"}, attr.List{attr.PivotRoot(root)}, "/opt/link", nil},
		{"evil", "/out", nil, attr.List{attr.Chroot(root)}, "", fs.ErrNotExist},
		{"evil", "/../outside", nil, attr.List{attr.Chroot(root)}, "", fs.ErrNotExist},
		{"x", "/loop", nil, attr.List{attr.Chroot(root)}, "", syscall.ELOOP},
		{"tool", "bin", []string{root}, nil, filepath.Join(root, "bin/tool"), nil},
		{"./tool", "", []string{root, "bin"}, nil, root + "/bin/./tool", nil},
		{"tool", root + "/bin", nil, attr.List{attr.Credential{UID: 1, GID: 1}}, filepath.Join(root, "bin/tool"), nil},
	} {
		s := &spawn.Spec{Env: []string{"PATH=" + c.path}, Attr: c.attrs}
		for _, d := range c.chdir {
			s.Actions.Chdir(d)
		}
		if got, err := s.LookPath(c.name); got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%q in %q of %v: %q, %v, want %q, %v", c.name, c.path, c.attrs, got, err, c.want, c.err)
		}
	}
	s := &spawn.Spec{Env: []string{"PATH=bin:" + root + "/bin"}}
	s.Actions.Chdir(root)
	s.Actions.Fchdir(3)
	if got, err := s.LookPath("tool"); got != root+"/bin/tool" || err != nil {
		t.Errorf("after fchdir: %q, %v", got, err)
	}
	if got, err := s.LookPath("bin/tool"); got != "bin/tool" || err != nil {
		t.Errorf("after fchdir: %q, %v", got, err)
	}
}

// TestBareName wants to be told of LookPath where a name is no path, and only there.
func TestBareName(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		var e *spawn.Error
		_, err := spawn.Run(context.Background(), &spawn.Spec{Path: "no-such-program"})
		if !errors.As(err, &e) || !errors.Is(err, fs.ErrNotExist) || e.Hint == "" {
			t.Errorf("a name: %v", err)
		}
		_, err = spawn.Run(context.Background(), &spawn.Spec{Path: "./no-such-program"})
		var other *spawn.Error
		if !errors.As(err, &other) || e != nil && other.Hint == e.Hint {
			t.Errorf("a path: %v", err)
		}
	})
}

// TestShell wants a file without a #! line to be for the shell only where it is asked
// for.
func TestShell(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		dir := t.TempDir()
		testenv.Write(t, filepath.Join(dir, "-c"), "echo $0 $#\n", 0o755)
		s := &spawn.Spec{Path: "-c", Args: []string{"x", "one", "two"}}
		s.Actions.Chdir(dir)
		if _, err := spawn.Run(context.Background(), s); !errors.Is(err, syscall.ENOEXEC) {
			t.Errorf("not asked for: %v", err)
		}
		s.Shell = true
		if got := spawntest.Output(t, s); got != "./-c 2\n" {
			t.Errorf("%q", got)
		}
		s.Path = "missing"
		if _, err := spawn.Run(context.Background(), s); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("missing: %v", err)
		}
	})
}
