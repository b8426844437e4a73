package exec_test

import (
	"context"
	"errors"
	osexec "os/exec"
	"reflect"
	"testing"

	"github.com/safespawn/spawn/exec"
)

// TestParity compares Cmd with that of the toolchain's os/exec, field by field
// and method by method: it fails when a new version of Go adds something.
func TestParity(t *testing.T) {
	theirs, ours := reflect.TypeFor[osexec.Cmd](), reflect.TypeFor[exec.Cmd]()
	for _, f := range reflect.VisibleFields(theirs) {
		if !f.IsExported() {
			continue
		}
		g, ok := ours.FieldByName(f.Name)
		if !ok || g.Type != f.Type {
			t.Errorf("field %s is %v, in os/exec %v", f.Name, g.Type, f.Type)
		}
	}
	theirs, ours = reflect.PointerTo(theirs), reflect.PointerTo(ours)
	for i := range theirs.NumMethod() {
		m := theirs.Method(i)
		n, ok := ours.MethodByName(m.Name)
		if !ok || signature(n.Type) != signature(m.Type) {
			t.Errorf("method %s is %v, in os/exec %v", m.Name, n.Type, m.Type)
		}
	}
}

// signature is the type of a method without its receiver.
func signature(m reflect.Type) string {
	var in, out []reflect.Type
	for i := 1; i < m.NumIn(); i++ {
		in = append(in, m.In(i))
	}
	for i := range m.NumOut() {
		out = append(out, m.Out(i))
	}
	return reflect.FuncOf(in, out, m.IsVariadic()).String()
}

// TestSameNames uses what package os/exec exports, by its type there.
func TestSameNames(t *testing.T) {
	var _ = [...]error{(*osexec.Error)((*exec.Error)(nil)), (*osexec.ExitError)((*exec.ExitError)(nil))}
	var _ func(string, ...string) *exec.Cmd = exec.Command
	var _ func(context.Context, string, ...string) *exec.Cmd = exec.CommandContext
	for _, pair := range [][2]error{
		{exec.ErrDot, osexec.ErrDot}, {exec.ErrNotFound, osexec.ErrNotFound}, {exec.ErrWaitDelay, osexec.ErrWaitDelay},
	} {
		if !errors.Is(pair[0], pair[1]) {
			t.Errorf("%v is another error than in os/exec", pair[0])
		}
	}
	ours, err := exec.LookPath("sh")
	theirs, theirErr := osexec.LookPath("sh")
	if ours != theirs || (err == nil) != (theirErr == nil) {
		t.Errorf("LookPath is %q %v, in os/exec %q %v", ours, err, theirs, theirErr)
	}
}

// TestNilContext wants the panic of os/exec.
func TestNilContext(t *testing.T) {
	panics := func(call func(context.Context)) (r any) {
		defer func() { r = recover() }()
		call(nil)
		return nil
	}
	ours := panics(func(ctx context.Context) { exec.CommandContext(ctx, "x") })
	theirs := panics(func(ctx context.Context) { osexec.CommandContext(ctx, "x") })
	if ours == nil || ours != theirs {
		t.Errorf("panics with %v, os/exec with %v", ours, theirs)
	}
}
