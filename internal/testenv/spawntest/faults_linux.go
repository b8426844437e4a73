//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package spawntest

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"testing"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/testenv"
)

// Want is what an error has to say. Any of the errnos will do: they differ with the
// fallback that was taken.
type Want struct {
	Step   string
	Index  int
	Object string
	Errnos []syscall.Errno
}

// Fails is a Want.
func Fails(step string, index int, object string, errnos ...syscall.Errno) Want {
	return Want{step, index, object, errnos}
}

// Differs says how err is not what is wanted.
func (w Want) Differs(err error) string {
	var e *spawn.Error
	if !errors.As(err, &e) {
		return "not an *Error"
	}
	switch {
	case e.Step != w.Step:
		return "step " + e.Step
	case e.Index != w.Index:
		return "wrong index"
	case e.Object != w.Object:
		return "object " + e.Object
	case !slices.ContainsFunc(w.Errnos, func(n syscall.Errno) bool { return errors.Is(err, n) }):
		return "wrong errno"
	case e.Path == "":
		return "no path"
	case (e.Part == spawn.PartSpec || e.Part == spawn.PartStart) != (e.Index < 0) || e.Part == 0:
		return "part " + e.Part.String()
	}
	return ""
}

// CheckFault compares an error.
func CheckFault(t testing.TB, err error, w Want) {
	t.Helper()
	if how := w.Differs(err); how != "" {
		t.Errorf("%v (%#v): %s; want %+v", err, err, how, w)
	}
}

// Fault is a Spec that can't be started.
type Fault struct {
	Name string
	Spec *spawn.Spec
	Want Want
}

// Try starts all of them and wants nothing left behind.
func Try(t *testing.T, faults []Fault) {
	t.Helper()
	EachEngine(t, func(t *testing.T) {
		before := testenv.Settled()
		for _, f := range faults {
			p, err := spawn.Start(context.Background(), f.Spec)
			if p != nil {
				t.Fatalf("%s: it runs", f.Name)
			}
			if how := f.Want.Differs(err); how != "" {
				t.Errorf("%s: %v (%#v): %s; want %+v", f.Name, err, err, how, f.Want)
			}
		}
		testenv.CheckFDs(t, before)
	})
}
