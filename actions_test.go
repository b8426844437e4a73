package spawn_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/testenv"
)

// directory is the one that a program is in.
func directory(t testing.TB, a spawn.FileActions) string {
	t.Helper()
	p, err := spawn.Compile(&spawn.Spec{Path: testenv.Self(t), Actions: a})
	if err != nil {
		t.Error(err)
		return ""
	}
	var dir string
	for _, s := range p.Steps() {
		if s.Name == "chdir" && s.Index >= 0 {
			dir = s.Object
		}
	}
	return dir
}

// TestActionsCopied wants what is added to a copy to be in no other, whatever
// room was left, and however it was added.
func TestActionsCopied(t *testing.T) {
	one, other := t.TempDir(), t.TempDir()
	add := map[string]func(a *spawn.FileActions, dir string){
		"method": func(a *spawn.FileActions, dir string) { a.Chdir(dir) },
		"Append": func(a *spawn.FileActions, dir string) {
			var b spawn.FileActions
			b.Chdir(dir)
			a.Append(&b)
		},
	}
	for name, add := range add {
		for n := range 10 {
			var base spawn.FileActions
			for fd := range n {
				base.Open(fd%3, os.DevNull, os.O_RDONLY, 0) // Windows has three
			}
			x, y := base, base
			add(&x, one)
			add(&y, other)
			z := x // of one that has been added to
			add(&x, other)
			add(&z, one)
			add(&base, other)
			for i, test := range []struct {
				a    spawn.FileActions
				want string
			}{{x, other}, {y, other}, {z, one}, {base, other}} {
				if got := directory(t, test.a); got != test.want {
					t.Errorf("%s after %d: copy %d has %q, want %q", name, n, i, got, test.want)
				}
			}
			if x.Len() != n+2 || y.Len() != n+1 || z.Len() != n+2 || base.Len() != n+1 {
				t.Errorf("%s after %d: %d, %d, %d and %d actions", name, n, x.Len(), y.Len(), z.Len(), base.Len())
			}
		}
	}
}

// TestActionsAppendSelf doubles what there is.
func TestActionsAppendSelf(t *testing.T) {
	dir := t.TempDir()
	var a spawn.FileActions
	a.Chdir(dir)
	for range 4 {
		a.Append(&a)
	}
	if got := directory(t, a); got != dir || a.Len() != 16 {
		t.Errorf("%d actions, %q", a.Len(), got)
	}
}

// TestSpecTemplate has many use a copy of one Spec at once.
func TestSpecTemplate(t *testing.T) {
	base := spawn.Spec{Path: testenv.Self(t)}
	base.Actions.Open(0, os.DevNull, os.O_RDONLY, 0)
	root := t.TempDir()
	var group sync.WaitGroup
	for i := range 200 {
		dir := filepath.Join(root, fmt.Sprint(i))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		group.Go(func() {
			s := base
			s.Actions.Chdir(dir)
			s.Actions.Open(2, "file", os.O_CREATE|os.O_RDWR, 0o600)
			if got := directory(t, s.Actions); got != dir {
				t.Errorf("%q, want %q", got, dir)
			}
		})
	}
	group.Wait()
}

// TestActionsAllocations wants room for the usual ones at once.
func TestActionsAllocations(t *testing.T) {
	n := testing.AllocsPerRun(100, func() {
		var a spawn.FileActions
		for fd := range 4 {
			a.Close(fd)
		}
	})
	if n > 1 {
		t.Errorf("four actions take %v allocations", n)
	}
}
