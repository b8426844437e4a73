package integration_test

import (
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// spoil changes all elements of all slices that a value has.
func spoil(v reflect.Value) {
	switch v.Kind() {
	case reflect.Slice:
		for i := range v.Len() {
			spoil(v.Index(i))
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[os.File]() {
			return
		}
		for i := range v.NumField() {
			spoil(v.Field(i))
		}
	case reflect.Interface: // can't be changed, but what its slices have can
		if e := v.Elem(); e.IsValid() && e.Kind() != reflect.Pointer {
			spoil(e)
		}
	case reflect.String:
		if v.CanSet() && !strings.HasPrefix(v.String(), testenv.HelperPrefix) { // all tests would run
			v.SetString("spoiled")
		}
	case reflect.Int:
		if v.CanSet() {
			v.SetInt(v.Int() + 1)
		}
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		if v.CanSet() {
			v.SetUint(v.Uint() ^ 1)
		}
	}
}

// keepsWhatItWas compiles a Spec, changes what the Spec has, and wants the program
// to be as it was.
func keepsWhatItWas(t *testing.T, s *spawn.Spec) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	s.Actions.File(w, 1)
	p, err := spawn.Compile(s)
	if err != nil {
		t.Fatal(err)
	}
	run := func() string {
		if state, err := p.Run(t.Context()); err != nil || !state.Success() {
			t.Errorf("%v, %v", state, err)
		}
		if _, err := w.WriteString("\x00"); err != nil {
			t.Fatal(err)
		}
		var b []byte
		for one := make([]byte, 1); ; b = append(b, one[0]) {
			if _, err := io.ReadFull(r, one); err != nil || one[0] == 0 {
				return string(b)
			}
		}
	}
	first, steps := run(), p.Steps()
	for _, list := range []any{s.Args, s.Env, s.Attr} {
		spoil(reflect.ValueOf(list))
	}
	for i := range s.Attr {
		s.Attr[i] = nil
	}
	s.Actions.Chdir("/nowhere")
	s.Path = "/nowhere"
	if again := run(); again != first {
		t.Errorf("at first\n%s\nthen\n%s", first, again)
	}
	if !reflect.DeepEqual(p.Steps(), steps) {
		t.Errorf("%v\nwere\n%v", p.Steps(), steps)
	}
}

var _ = testenv.RegisterHelper("arguments and environment", func(args []string) int {
	fmt.Println(args, os.Environ())
	return 0
})

// TestCompiledKeeps changes a Spec that was compiled.
func TestCompiledKeeps(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		s := spawntest.Helper(t, "arguments and environment", "a", "b")
		s.Env = []string{"A=1", "B=2"}
		keepsWhatItWas(t, s)
	})
}
