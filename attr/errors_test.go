package attr_test

import (
	"errors"
	"slices"
	"syscall"
	"testing"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/plan"
)

// TestNeeds has attributes that make sense only beside others.
func TestNeeds(t *testing.T) {
	namespaces := []string{"Namespaces", "Unshare"}
	for _, x := range []struct {
		a    attr.Attr
		want attr.NeedError
	}{
		{attr.Foreground{File: anyFile}, attr.NeedError{Attr: "Foreground", Of: []string{"Setpgid"}}},
		{attr.ControllingTTY{File: anyFile}, attr.NeedError{Attr: "ControllingTTY", Of: []string{"Setsid"}}},
		{attr.Mounts{{Target: "/mnt"}}, attr.NeedError{Attr: "Mounts", Of: namespaces, Namespace: "mnt"}},
		{attr.PivotRoot("/mnt"), attr.NeedError{Attr: "PivotRoot", Of: namespaces, Namespace: "mnt"}},
		{attr.IDMap{UID: ids(0, 1, 1)}, attr.NeedError{Attr: "IDMap", Of: namespaces, Namespace: "user"}},
		{attr.Loopback{}, attr.NeedError{Attr: "Loopback", Of: namespaces, Namespace: "net"}},
		{attr.Hostname("x"), attr.NeedError{Attr: "Hostname", Of: append(slices.Clip(namespaces), "JoinNamespace"), Namespace: "uts"}},
	} {
		err := check(attr.List{attr.Umask(0), x.a})
		var need *attr.NeedError
		var e *plan.Error
		if !errors.As(err, &need) || !errors.As(err, &e) || !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%#v: %v", x.a, err)
			continue
		}
		if need.Attr != x.want.Attr || need.Namespace != x.want.Namespace || !slices.Equal(need.Of, x.want.Of) {
			t.Errorf("got %+v, want %+v", need, x.want)
		}
		if e.Part != plan.PartAttr || e.Step != plan.StepAttr || e.Index != 1 || e.Object != need.Attr {
			t.Errorf("%#v: %#v", x.a, e)
		}
	}
}

// TestGivenTwice wants the second of two of a kind to contradict its like.
func TestGivenTwice(t *testing.T) {
	err := check(attr.List{attr.Umask(0), attr.Nice(1), attr.Umask(0)})
	var c *attr.ConflictError
	var e *plan.Error
	if !errors.As(err, &c) || !errors.As(err, &e) || c.A != "Umask" || c.B != "Umask" || e.Index != 2 {
		t.Errorf("%v: %+v, %#v", err, c, e)
	}
}

// TestUnsupportedError has errors with an errno and without.
func TestUnsupportedError(t *testing.T) {
	for _, cause := range []error{nil, syscall.ENOSYS, syscall.EINVAL} {
		var err error = &attr.UnsupportedError{What: "CONFIG_KSM", Since: "6.4", Err: cause}
		if !errors.Is(err, errors.ErrUnsupported) || cause != nil && !errors.Is(err, cause) {
			t.Errorf("%v does not match", err)
		}
	}
	if errors.Is(&attr.UnsupportedError{What: "CONFIG_KSM"}, syscall.EINVAL) {
		t.Error("no errno, and it matches one")
	}
}
