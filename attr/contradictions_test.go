package attr_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/plan"
)

// contradiction is a pair that no list can hold, with what makes it one.
type contradiction struct {
	a, b attr.Attr
	with attr.List
}

var contradictions = []contradiction{
	{a: attr.Setsid{}, b: attr.Setpgid{}},
	{a: attr.Setsid{}, b: attr.Foreground{File: anyFile}},
	{a: attr.Setpgid{}, b: attr.ControllingTTY{File: anyFile}},
	{a: attr.Setpgid{Pgid: 2}, b: attr.Namespaces{Flags: newPID}},

	{a: attr.Ptrace{}, b: attr.StartSuspended{}},
	{a: attr.SigDefault{1}, b: attr.SigIgnore{2, 1}},

	{a: attr.NoFile{Soft: 9, Hard: 9}, b: attr.Rlimit{Resource: nofile, Soft: 9, Hard: 9}},
	{a: attr.NoFile{Soft: 9, Hard: 9}, b: attr.RlimitToHard(nofile)},
	{a: attr.NoFile{Soft: 9, Hard: 9}, b: attr.NoFilePolicy(0)},
	{a: attr.NoFileOriginal, b: attr.RlimitToHard(nofile)},
	{a: attr.NoFileCurrent, b: attr.Rlimit{Resource: nofile}},
	{a: attr.RlimitToHard(3), b: attr.Rlimit{Resource: 3}},

	{a: attr.Credential{Root: true}, b: attr.ResetIDs{}},
	{a: attr.Credential{Root: true}, b: attr.IDs{Root: true}},
	{a: attr.IDs{Root: true}, b: attr.ResetIDs{}},
	{a: attr.AmbientCaps{}, b: attr.NoCapabilities()},
	{a: attr.Credential{Root: true}, b: attr.Namespaces{Flags: newUser}},
	{a: attr.Credential{Root: true}, b: attr.Unshare{Flags: newUser}},
	{a: attr.Credential{Root: true}, b: attr.Unshare{Flags: newUser}, with: attr.List{attr.IDMap{UID: ids(0, 0, 1)}}},
	{a: attr.Credential{Root: true}, b: attr.Unshare{Flags: newUser}, with: attr.List{attr.IDMap{GID: ids(0, 0, 1), Setgroups: true}}},
	{a: attr.IDs{EUID: attr.KeepID, Root: true}, b: attr.Namespaces{Flags: newUser}},
	{a: attr.ResetIDs{}, b: attr.Namespaces{Flags: newUser}},
	{a: attr.Credential{Root: true}, b: attr.IDMap{UID: ids(0, 0, 1), GID: ids(0, 0, 1)}, with: attr.List{attr.Unshare{Flags: newUser}}},
	{a: attr.IDs{Root: true}, b: attr.IDMap{UID: ids(0, 0, 1), GID: ids(0, 0, 1)}, with: attr.List{attr.Namespaces{Flags: newUser}}},

	{a: attr.Chroot("/"), b: attr.PivotRoot("/"), with: attr.List{attr.Unshare{Flags: newNS}}},
	{a: attr.NewRoot{{Path: "/x"}}, b: attr.PivotRoot("/"), with: attr.List{attr.Unshare{Flags: newNS}}},
	{a: attr.Namespaces{Flags: newUser}, b: attr.Unshare{Flags: newUser}},
	{a: attr.Namespaces{Flags: newUTS}, b: attr.Unshare{Flags: newUTS | newNS}},
	{a: attr.Namespaces{Flags: newIPC}, b: attr.Unshare{Flags: newIPC}},
	{a: attr.Namespaces{Flags: newNet}, b: attr.Unshare{Flags: newNet}},
	{a: attr.Namespaces{Flags: newTime}, b: attr.Unshare{Flags: newTime}},
	{a: attr.Namespaces{Flags: newCgroup}, b: attr.Unshare{Flags: newCgroup}},
	{a: attr.Namespaces{Flags: newUser}, b: attr.JoinNamespace{File: anyFile, Types: newUser | newNS}},
	{a: attr.Namespaces{Flags: newNS}, b: attr.JoinNamespace{File: anyFile, Types: newNS}},
	{a: attr.Unshare{Flags: newNet}, b: attr.JoinNamespace{File: anyFile, Types: newNet}},
	{a: attr.Unshare{Flags: newIPC}, b: attr.JoinNamespace{File: anyFile, Types: newIPC}},
	{a: attr.Unshare{Flags: newCgroup}, b: attr.JoinNamespace{File: anyFile, Types: newCgroup}},
	{a: attr.Unshare{Flags: newPID}, b: attr.JoinNamespace{File: anyFile, Types: newPID}},
	{a: attr.Unshare{Flags: newUser}, b: attr.IDMap{UID: ids(0, 1, 1), Helpers: true}},
}

const nofile = 7 // RLIMIT_NOFILE

func init() {
	// With no_new_privs from its parent, a child needs no more.
	if status, err := os.ReadFile("/proc/thread-self/status"); err == nil && strings.Contains(string(status), "\nNoNewPrivs:\t1") {
		return
	}
	contradictions = append(contradictions, []contradiction{
		{a: attr.NoCapabilities(), b: filterOf()},
		{a: attr.OnlyCapabilities(1), b: attr.Landlock{FD: attr.FD(3)}},
	}...)
}

// TestContradictions wants an error at the later one that names both, whatever
// their order.
func TestContradictions(t *testing.T) {
	for _, x := range contradictions {
		for _, pair := range [][2]attr.Attr{{x.a, x.b}, {x.b, x.a}} {
			list := append(attr.List{pair[0], attr.Nice(1), pair[1]}, x.with...)
			wrong(t, list, 2)
			var c *attr.ConflictError
			var e *plan.Error
			err := check(list)
			if !errors.As(err, &c) || !errors.As(err, &e) {
				t.Errorf("%#v: %v", list, err)
				continue
			}
			first, last := strings.TrimPrefix(fmt.Sprintf("%T", pair[0]), "attr."), strings.TrimPrefix(fmt.Sprintf("%T", pair[1]), "attr.")
			if c.A != last || c.B != first || c.Why == "" || e.Object != last || !errors.Is(err, syscall.EINVAL) {
				t.Errorf("%#v: %s: %+v, want %s and %s", list, e.Object, c, last, first)
			}
		}
	}
}
