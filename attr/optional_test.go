package attr_test

import (
	"errors"
	"syscall"
	"testing"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/plan"
)

// TestOptionalIsChecked wants the errors of an attribute to be those of an optional one.
func TestOptionalIsChecked(t *testing.T) {
	for _, list := range []attr.List{
		{attr.Optional(attr.Nice(1)), attr.Umask(0), attr.Optional(attr.CPUAffinity{0})},
		{attr.Optional(attr.Rlimit{Resource: 1}), attr.Optional(attr.Rlimit{Resource: 2})},
		{attr.Optional(attr.NoNewPrivs{}), attr.Optional(filterOf())},
		{attr.Optional(attr.Landlock{FD: attr.FD(3)}), attr.NoNewPrivs{}, filterOf()},
	} {
		if err := check(list); err != nil {
			t.Errorf("%#v: %v", list, err)
		}
	}
	for _, bad := range []attr.Attr{
		nil, attr.Nice(20), attr.CPUAffinity{}, attr.Optional(attr.Nice(1)), attr.SchedPolicy{UtilMin: 1},
		attr.Seccomp{Filter: filterOf().Filter, Listener: new(attr.SeccompListener)}, attr.Seccomp{},
		filterOf(attr.SockFilter{Code: 0x60}), filterOf(attr.SockFilter{Code: 0x61}), // loads from scratch memory
	} {
		wrong(t, attr.List{attr.NoNewPrivs{}, attr.Optional(bad), attr.Setsid{}}, 1)
	}
	wrong(t, attr.List{attr.Nice(1), attr.Umask(0), attr.Optional(attr.Nice(1))}, 2)
}

// TestOptionalIsNamed wants the attribute to be named that must not be optional.
func TestOptionalIsNamed(t *testing.T) {
	err := check(attr.List{attr.Umask(0), attr.Optional(attr.ResetIDs{})})
	var e *plan.Error
	if !errors.As(err, &e) || e.Step != "attr" || e.Index != 1 || e.Object != "ResetIDs" || !errors.Is(err, syscall.EINVAL) {
		t.Errorf("%#v", err)
	}
}

// TestOptionalNeedsNoNewPrivs wants no attribute to be without no_new_privs by surprise.
func TestOptionalNeedsNoNewPrivs(t *testing.T) {
	for _, a := range []attr.Attr{filterOf(), attr.Landlock{FD: attr.FD(3)}} {
		wrong(t, attr.List{attr.Umask(0), attr.Optional(a)}, 1)
		var need *attr.NeedError
		if err := check(attr.List{attr.Umask(0), attr.Optional(a)}); !errors.As(err, &need) || need.Of[0] != "NoNewPrivs" {
			t.Errorf("%v", err)
		}
		for i, list := range []attr.List{
			{a, attr.Optional(attr.NoNewPrivs{})},
			{attr.Optional(attr.NoNewPrivs{}), a},
		} {
			wrong(t, list, 1)
			var conflict *attr.ConflictError
			if err := check(list); !errors.As(err, &conflict) || conflict.A == conflict.B {
				t.Errorf("%d: %v", i, err)
			}
		}
	}
}
