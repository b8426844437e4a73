package lookup_test

import (
	"errors"
	"os"
	"os/user"
	"slices"
	"strconv"
	"testing"

	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/lookup"
)

func TestUnknown(t *testing.T) {
	for _, name := range []string{"", ":", ":daemon", "nobody:", "no such user", "54321", "nobody:no such group", "4294967295:1", "-1"} {
		if cr, err := lookup.Credential(name); err == nil {
			t.Errorf("%q: %+v", name, cr)
		}
	}
	if env, err := lookup.Env("54321:1"); err == nil {
		t.Errorf("%q", env)
	}
	if os.Getuid() < 0 {
		return
	}
	var unknown user.UnknownUserError
	if _, err := lookup.Credential("no such user"); !errors.As(err, &unknown) {
		t.Errorf("%v", err)
	}
}

// TestGroup finds groups by name and by number.
func TestGroup(t *testing.T) {
	if os.Getuid() < 0 {
		testenv.Skip(t, "user ids are not numbers here")
	}
	first, err := user.LookupGroupId("0")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]uint32{first.Name: 0, "0": 0, "54321": 54321} {
		if gid, err := lookup.Group(name); err != nil || gid != want {
			t.Errorf("%q: %d, %v", name, gid, err)
		}
	}
	for _, name := range []string{"", "no such group", "-1", "4294967295"} {
		var unknown user.UnknownGroupError
		if gid, err := lookup.Group(name); !errors.As(err, &unknown) {
			t.Errorf("%q: %d, %v", name, gid, err)
		}
	}
}

// TestRoot wants ids of 0 to be meant.
func TestRoot(t *testing.T) {
	if os.Getuid() < 0 {
		testenv.Skip(t, "user ids are not numbers here")
	}
	for _, name := range []string{"0:0", "54321:0", "54321:54321"} {
		cr, err := lookup.Credential(name)
		if err != nil || cr.Root != (name != "54321:54321") {
			t.Errorf("%s: %+v, %v", name, cr, err)
		}
	}
}

// TestSlicesOfTheirOwn appends to copies of what is returned, and wants each to have
// its own.
func TestSlicesOfTheirOwn(t *testing.T) {
	if os.Getuid() < 0 {
		testenv.Skip(t, "user ids are not numbers here")
	}
	me, err := user.LookupId(strconv.Itoa(os.Getuid()))
	if errors.As(err, new(user.UnknownUserIdError)) {
		testenv.Skip(t, "this user has no entry")
	} else if err != nil {
		t.Fatal(err)
	}
	cr, err := lookup.Credential(me.Uid + ":4321") // with a group to be set, and so all of them
	if err != nil {
		t.Fatal(err)
	}
	env, err := lookup.Env(me.Uid)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := append(cr.Groups, 1), append(cr.Groups, 2); !slices.Contains(a, 1) || !slices.Contains(b, 2) {
		t.Errorf("groups: %v, %v", a, b)
	}
	if a, b := append(env, "A="), append(env, "B="); !slices.Contains(a, "A=") || !slices.Contains(b, "B=") {
		t.Errorf("environment: %q, %q", a, b)
	}
}
