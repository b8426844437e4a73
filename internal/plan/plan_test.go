package plan_test

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// asError is err as an *Error that matches EINVAL.
func asError(t *testing.T, err error) *plan.Error {
	t.Helper()
	var e *plan.Error
	if !errors.As(err, &e) || !errors.Is(err, syscall.EINVAL) {
		t.Fatalf("%v (%#v)", err, err)
	}
	return e
}

func TestClaims(t *testing.T) {
	var c plan.Claims
	for i, what := range []string{"a", "b"} {
		c.Attr(i)
		if err := c.Claim(what, "first"); err != nil {
			t.Error(err)
		}
	}
	c.Attr(5)
	for _, by := range []string{"first", "second"} {
		if e := asError(t, c.Claim("a", by)); e.Part != plan.PartAttr || e.Index != 5 || e.Object != by {
			t.Errorf("%#v", e)
		}
	}
	if !c.Has("a") || !c.Has("b") || c.Has("c") {
		t.Error("claims got lost, or made up")
	}
}

func TestNeeds(t *testing.T) {
	var c plan.Claims
	c.Attr(3)
	c.Need("a", "needy", "", "other")
	if e := asError(t, c.Unmet()); e.Part != plan.PartAttr || e.Index != 3 || e.Object != "needy" {
		t.Errorf("%#v", e)
	}
	c.Attr(4)
	if err := c.Claim("a", "other"); err != nil {
		t.Fatal(err)
	}
	if err := c.Unmet(); err != nil {
		t.Error(err)
	}
}

// TestFiles wants the files of attributes to carry their index.
func TestFiles(t *testing.T) {
	p := plan.New()
	p.Attr(2)
	p.SetTTY(os.Stdin, true)
	p.Attr(4)
	p.SetCgroup(os.Stdout)
	if p.TTY != (plan.File{File: os.Stdin, Index: 2}) || !p.Steal || p.Cgroup != (plan.File{File: os.Stdout, Index: 4}) {
		t.Errorf("%+v, %+v", p.TTY, p.Cgroup)
	}
}

// TestAsked wants what is asked of the engine, with the attribute's index.
func TestAsked(t *testing.T) {
	p := plan.New()
	p.Attr(3)
	p.SetForeground(os.Stdin, 0)
	p.SetTTYNumber(7, true)
	p.SetClone(1, "a")
	p.SetUnshare(2, "b")
	p.SetIDMap(plan.IDMap{UID: "u", Setgroups: "s", GID: "g", Helpers: true})
	p.SetRuleset(nil, 4, 5)
	p.SetTrace("d", true)
	if *p.Trace != (plan.Trace{Step: "d", Index: 3, Suspend: true}) {
		t.Errorf("%+v", p.Trace)
	}
	if *p.Foreground != (plan.Descriptor{File: plan.File{File: os.Stdin, Index: 3}}) || *p.TTYNumber != (plan.Number{FD: 7, Index: 3}) || !p.Steal {
		t.Errorf("%+v, %+v", p.Foreground, p.TTYNumber)
	}
	if p.Clone != (plan.Flags{Bits: 1, Object: "a", Index: 3}) || p.Unshare != (plan.Flags{Bits: 2, Object: "b", Index: 3}) {
		t.Errorf("%+v, %+v", p.Clone, p.Unshare)
	}
	if *p.Ruleset != (plan.Ruleset{Descriptor: plan.Descriptor{File: plan.File{Index: 3}, FD: 4}, Flags: 5}) {
		t.Errorf("%+v", p.Ruleset)
	}
	if a, b := p.Foreground.Object(), p.Ruleset.Object(); a != os.Stdin.Name() || b != "descriptor 4" {
		t.Errorf("%s, %s", a, b)
	}
	if *p.IDMap != (plan.IDMap{UID: "u", Setgroups: "s", GID: "g", Helpers: true, Index: 3}) {
		t.Errorf("%+v", p.IDMap)
	}
}

// TestOrder adds calls in any order of phases, and wants them by phase, those of
// one phase in the order in which they were added, each with its step.
func TestOrder(t *testing.T) {
	p := plan.New()
	for i, add := range []struct {
		ph  plan.Phase
		sys raw.Sys
	}{
		{plan.Exec, raw.Execve}, {plan.Mask, raw.RtSigprocmask}, {plan.Files, raw.Chdir},
		{plan.FileTable, raw.CloseRange}, {plan.Files, raw.Fchdir}, {plan.Credentials, raw.Setgroups},
		{plan.Root, raw.Chroot}, {plan.Credentials, raw.Setresgid}, {plan.Umask, raw.Umask},
	} {
		p.Attr(i)
		p.Step("step", "")
		p.Call(add.ph, add.sys)
	}
	prog := p.Build()
	want := []struct {
		sys   raw.Sys
		index int
	}{
		{raw.CloseRange, 3}, {raw.Chroot, 6}, {raw.Setgroups, 5}, {raw.Setresgid, 7}, {raw.Umask, 8},
		{raw.Chdir, 2}, {raw.Fchdir, 4}, {raw.RtSigprocmask, 1}, {raw.Execve, 0},
	}
	calls := prog.Calls()
	if len(calls) != len(want) {
		t.Fatalf("%d calls", len(calls))
	}
	for i, c := range calls {
		if c.Sys != want[i].sys || prog.Step(c.Step).Index != want[i].index {
			t.Errorf("%d: call %d of step %d, want %v", i, c.Sys, prog.Step(c.Step).Index, want[i])
		}
	}
}

// TestBars wants a contradiction that only the whole list shows, whichever is first.
func TestBars(t *testing.T) {
	claim := func(c *plan.Claims, what, by string) {
		if err := c.Claim(what, by); err != nil {
			t.Error(err)
		}
	}
	var c plan.Claims
	c.Attr(1)
	c.Bar("a", "first", "rescue", "why")
	if err := c.Unmet(); err != nil {
		t.Error(err)
	}
	c.Attr(2)
	claim(&c, "a", "second")
	e := asError(t, c.Unmet())
	var x *plan.Conflict
	if !errors.As(e, &x) || *x != (plan.Conflict{A: "second", B: "first", Why: "why"}) || e.Object != "second" || e.Index != 2 {
		t.Errorf("%#v, %#v", e, x)
	}
	c.Attr(0)
	c.Bar("a", "third", "rescue", "")
	claim(&c, "rescue", "fourth")
	if err := c.Unmet(); err != nil {
		t.Error(err)
	}
}
