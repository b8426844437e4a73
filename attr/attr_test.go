package attr_test

import (
	"errors"
	"os"
	"reflect"
	"syscall"
	"testing"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/attrlist"
	"github.com/safespawn/spawn/internal/pidns"
	"github.com/safespawn/spawn/internal/plan"
)

// anyFile stands for a file where only its presence matters.
var anyFile = os.NewFile(^uintptr(0)>>1, "any")

// Flags of clone(2).
const (
	newNS         = 0x20000
	newUser       = 0x10000000
	newUTS        = 0x4000000
	newIPC        = 0x8000000
	newPID        = 0x20000000
	newNet        = 0x40000000
	newTime       = 0x80
	newCgroup     = 0x2000000
	allNamespaces = 0x7e020080

	sysAdmin = 21 // CAP_SYS_ADMIN
)

var one = 1 // keeps the compiler from finding what overflows

func ids(inside, outside, size int) []attr.IDMapEntry {
	return []attr.IDMapEntry{{ContainerID: inside, HostID: outside, Size: size}}
}

// check is what is wrong with a list.
func check(list attr.List) error {
	var c plan.Claims
	return attrlist.Check(list, &c)
}

func TestValid(t *testing.T) {
	for i, list := range []attr.List{
		nil,
		{},
		{attr.SigMask{}, attr.SigDefault{}, attr.SigIgnore{}, attr.InheritIgnored{}},
		{attr.SigMask{1, 64, 9}, attr.SigDefault{2, 3}, attr.SigIgnore{1, 64}, attr.InheritIgnored{}},
		{attr.ControllingTTY{File: anyFile}, attr.Setsid{}}, // in this order, too
		{attr.Setpgid{}, attr.Umask(0o777), attr.Nice(-20)},
		{attr.Setpgid{Pgid: 1<<31 - 1}, attr.Umask(0), attr.Nice(19)},
		{attr.NoFile{Hard: 9}, attr.Rlimit{Resource: 0, Soft: 1, Hard: ^uint64(0)}, attr.Rlimit{Resource: 15}},
		{attr.Credential{Groups: make([]uint32, 65536), Root: true}, attr.Chroot("/"), attr.NoNewPrivs{}, attr.Cgroup{Dir: anyFile}},
		{attr.ResetIDs{}},
		{attr.Credential{UID: ^uint32(0) - 1, GID: 1, KeepGroups: true}},
		{attr.IDMap{UID: ids(0, 1, 1)}, attr.Namespaces{Flags: allNamespaces}, attr.Unshare{Flags: newNS | 0x40600}},
		{attr.IDMap{GID: ids(one<<31-1, 0, 65536)}, attr.Unshare{Flags: newUser}},
		{attr.IDMap{GID: ids(0, 0, 1), Helpers: true}, attr.Namespaces{Flags: newUser}, attr.Unshare{Flags: newNS}},
		{attr.AmbientCaps{}, attr.ParentDeathSignal(1), attr.Ptrace{}, attr.DetachTTY{}},
		{attr.AmbientCaps{0, 63, 0}, attr.ParentDeathSignal(64), attr.ControllingTTY{FD: attr.FD(0), Steal: true}, attr.Setsid{}},
		{attr.Foreground{File: anyFile}, attr.Setpgid{}},
		{attr.SchedPolicy{}, attr.Nice(5), attr.CPUAffinity{0}, attr.NUMAPolicy{}, attr.IOPrio{}, attr.TimerSlack(0)},
		{attr.SchedPolicy{Policy: attr.SchedRR, Priority: 99, ResetOnFork: true, UtilMin: 1024}, attr.CPUAffinity{1, 1, 65535}},
		{attr.SchedPolicy{Policy: attr.SchedDeadline, Runtime: 1024, Deadline: 1024}, attr.CoreSched{}, attr.OOMScoreAdj(-1000)},
		{attr.NUMAPolicy{Mode: attr.NUMAPreferredMany, Flags: attr.NUMAStaticNodes, Nodes: []int{0, 1023}}, attr.OOMScoreAdj(1000)},
		{attr.IOPrio{Class: attr.IOPrioBestEffort, Level: 7}, attr.RlimitToHard(15), attr.NoFilePolicy(0)},
		{attr.Capabilities{}, attr.SecureBits(0)},
		{attr.IDs{RUID: attr.KeepID, Root: true}, attr.Personality(0), attr.ChildSubreaper{}, attr.SessionKeyring("")},
		{attr.NoCapabilities(), attr.SecureBits(0xfef)},
		{attr.StartSuspended{}, attr.SigMask{5}, attr.CoredumpFilter(0x1ff), attr.MemoryDenyWriteExec{}, attr.NoHugePages{}, attr.MergePages{}},
		{attr.OnlyCapabilities(0, 63), attr.Credential{UID: 1, Root: true}},
		{attr.Capabilities{Ambient: []attr.Capability{5}, Bounding: []attr.Capability{}, Effective: []attr.Capability{6}}},
		// What may look like a contradiction, and works.
		{attr.Namespaces{Flags: newNS | newPID}, attr.Unshare{Flags: newNS | newPID}, attr.Setpgid{Pgid: 1}},
		{attr.JoinNamespace{File: anyFile, Types: newUser | newNS | newUTS}, attr.Unshare{Flags: newUser | newNS | newUTS}},
		{filterOf(), attr.Landlock{FD: attr.FD(3)}, attr.NoCapabilities(), attr.NoNewPrivs{}},
		{filterOf(), attr.Landlock{FD: attr.FD(3)}, attr.OnlyCapabilities(sysAdmin), attr.Credential{UID: 1, Root: true}},
		{attr.Namespaces{Flags: newUser}, attr.Credential{Root: true}, attr.IDMap{UID: ids(0, 1, 1), GID: ids(0, 1, 1), Setgroups: true}},
		{attr.Namespaces{Flags: newUser}, attr.ResetIDs{}, attr.IDMap{UID: ids(0, 1, 1), GID: ids(0, 1, 1)}},
		{attr.Unshare{Flags: newUser}, attr.Credential{KeepGroups: true, Root: true}, attr.IDMap{UID: ids(0, 1, 1), GID: ids(0, 1, 1)}},
		{attr.Unshare{Flags: newUser}, attr.IDs{RUID: 1, RGID: attr.KeepID, EGID: attr.KeepID, KeepGroups: true, Root: true}, attr.IDMap{UID: ids(0, 1, 1)}},
		{attr.DetachTTY{}, attr.Setsid{}, attr.ControllingTTY{File: anyFile}}, // it may be that of an open
		{attr.SchedPolicy{Policy: attr.SchedFIFO, Priority: 1}, attr.Nice(1), attr.TimerSlack(1)},
		{attr.SecureBits(0x40), attr.AmbientCaps{1}},
	} {
		if err := check(list); err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
}

// wrong wants an error that matches EINVAL and names the attribute.
func wrong(t *testing.T, list attr.List, index int) {
	t.Helper()
	err := check(list)
	var e *plan.Error
	if !errors.As(err, &e) || !errors.Is(err, syscall.EINVAL) {
		t.Errorf("%#v: %v", list, err)
		return
	}
	if e.Index != index || e.Step == "" {
		t.Errorf("%#v: %#v, want index %d", list, e, index)
	}
}

// TestValuesOfThisPackage has pointers to attributes, and types that embed one. The rest of
// the module looks for attributes by their types, and would not find these.
func TestValuesOfThisPackage(t *testing.T) {
	nice, signal, setpgid := attr.Nice(1), attr.ParentDeathSignal(9), attr.Setpgid{Pgid: 1}
	for _, a := range []attr.Attr{
		&nice, (*attr.Nice)(nil), (*attr.DieWithParent)(nil), &signal, &setpgid,
		struct{ attr.Nice }{1}, &struct{ attr.Nice }{1}, struct{ *attr.Nice }{}, struct{ attr.Attr }{nice}, struct{ attr.Attr }{},
		struct{ attr.NewRoot }{}, attr.Optional(&nice),
	} {
		for _, list := range []attr.List{{attr.Umask(0), a}, {attr.Umask(0), attr.Optional(a)}} {
			wrong(t, list, 1)
		}
	}
}

func TestOutOfRange(t *testing.T) {
	// What is out of range is negative where an int has 32 bits.
	for _, bad := range []attr.Attr{
		nil,
		attr.SigMask{0}, attr.SigMask{1, 65}, attr.SigDefault{0}, attr.SigDefault{syscall.SIGKILL},
		attr.SigIgnore{19}, attr.SigIgnore{99}, attr.SigDefault{2, 2},
		attr.Setpgid{Pgid: -1}, attr.Setpgid{Pgid: one << 31},
		attr.Umask(-1), attr.Umask(0o1000), attr.Nice(-21), attr.Nice(20),
		attr.Rlimit{Resource: -1}, attr.Rlimit{Resource: 16}, attr.Rlimit{Resource: 0, Soft: 2, Hard: 1},
		attr.NoFile{Soft: 2, Hard: 1},
		attr.Credential{UID: ^uint32(0), Root: true}, attr.Credential{GID: ^uint32(0), Root: true},
		attr.Credential{Groups: []uint32{1, ^uint32(0)}, Root: true}, attr.Credential{Groups: make([]uint32, 65537), Root: true},
		attr.Credential{Groups: []uint32{}, KeepGroups: true, Root: true},
		attr.Chroot(""), attr.Chroot("a\x00b"),
		attr.Cgroup{}, attr.ControllingTTY{},
		attr.Namespaces{}, attr.Namespaces{Flags: newNS | 0x200}, attr.Unshare{}, attr.Unshare{Flags: 0x100},
		attr.IDMap{}, attr.IDMap{UID: ids(-1, 0, 1)}, attr.IDMap{GID: ids(0, -1, 1)}, attr.IDMap{UID: ids(0, 0, 0)},
		attr.AmbientCaps{-1}, attr.AmbientCaps{1, 64}, attr.ParentDeathSignal(0), attr.ParentDeathSignal(65),
		attr.ControllingTTY{FD: attr.FD(-1)}, attr.ControllingTTY{FD: attr.FD(one << 31)}, attr.ControllingTTY{File: anyFile, FD: attr.FD(0)},
		attr.ControllingTTY{Steal: true}, attr.Foreground{}, attr.Foreground{FD: attr.FD(-1)}, attr.Foreground{File: anyFile, FD: attr.FD(0)},
		attr.SchedPolicy{Policy: -1}, attr.SchedPolicy{Policy: 4}, attr.SchedPolicy{Priority: 1},
		attr.SchedPolicy{Policy: attr.SchedFIFO}, attr.SchedPolicy{Policy: attr.SchedFIFO, Priority: 100},
		attr.SchedPolicy{Period: 1}, attr.SchedPolicy{Policy: attr.SchedDeadline},
		attr.SchedPolicy{Policy: attr.SchedDeadline, Runtime: 1023, Deadline: 5000},
		attr.SchedPolicy{Policy: attr.SchedDeadline, Runtime: 5000, Deadline: 4000},
		attr.SchedPolicy{Policy: attr.SchedDeadline, Runtime: 2000, Deadline: 4000, Period: 3000},
		attr.SchedPolicy{Policy: attr.SchedDeadline, Runtime: 2000, Deadline: 4000, UtilMin: 1},
		attr.SchedPolicy{UtilMin: -1}, attr.SchedPolicy{UtilMax: 1025}, attr.SchedPolicy{UtilMin: 3, UtilMax: 2},
		attr.CPUAffinity{}, attr.CPUAffinity{0, -1}, attr.CPUAffinity{65536},
		attr.NUMAPolicy{Mode: 7}, attr.NUMAPolicy{Mode: attr.NUMABind | attr.NUMAStaticNodes, Nodes: []int{0}}, attr.NUMAPolicy{Flags: 1}, attr.NUMAPolicy{Mode: -1}, attr.NUMAPolicy{Nodes: []int{0}}, attr.NUMAPolicy{Mode: attr.NUMABind},
		attr.NUMAPolicy{Mode: attr.NUMABind, Nodes: []int{1024}}, attr.NUMAPolicy{Mode: attr.NUMALocal, Nodes: []int{0}},
		attr.IOPrio{Class: 4}, attr.IOPrio{Level: 1}, attr.IOPrio{Class: attr.IOPrioIdle, Level: 1},
		attr.IOPrio{Class: attr.IOPrioRealTime, Level: 8}, attr.IOPrio{Class: attr.IOPrioBestEffort, Level: -1},
		attr.TimerSlack(-1), attr.OOMScoreAdj(-1001), attr.OOMScoreAdj(1001),
		attr.RlimitToHard(-1), attr.RlimitToHard(16), attr.NoFilePolicy(-1), attr.NoFilePolicy(2),
		attr.OnlyCapabilities(64), attr.Capabilities{Bounding: []attr.Capability{1, -1}},
		attr.Capabilities{Effective: []attr.Capability{1}, Permitted: []attr.Capability{2}}, attr.Capabilities{Permitted: []attr.Capability{}},
		attr.Capabilities{Ambient: []attr.Capability{1}, Effective: []attr.Capability{}, Permitted: []attr.Capability{}},
		attr.Capabilities{Ambient: []attr.Capability{1}, Inheritable: []attr.Capability{2}},
		attr.SecureBits(0x10), attr.SecureBits(0x1000),
		attr.IDs{Groups: []uint32{attr.KeepID}, Root: true}, attr.IDs{Groups: []uint32{}, KeepGroups: true, Root: true}, attr.IDs{Groups: make([]uint32, 65537), Root: true},
		attr.Personality(^uint32(0)), attr.Personality(^uint(0)), attr.SessionKeyring("a\x00b"), attr.CoredumpFilter(0x200),
		attr.SELinuxContext(""), attr.AppArmorProfile("a\x00b"), attr.AppArmorProfile("a\n"), attr.SELinuxContext(make([]byte, 4096)),
	} {
		wrong(t, attr.List{attr.NoNewPrivs{}, bad, attr.Setsid{}}, 1)
	}
}

func TestTwice(t *testing.T) {
	t.Cleanup(pidns.EndForTest) // DieWithParent makes a child
	for _, a := range []attr.Attr{
		attr.SigMask{}, attr.InheritIgnored{}, attr.SigDefault{}, attr.SigIgnore{}, attr.Setsid{}, attr.Setpgid{}, attr.Umask(0), attr.Nice(0),
		attr.NoFile{}, attr.Rlimit{}, attr.Credential{Root: true}, attr.ResetIDs{}, attr.Chroot("/"), attr.NoNewPrivs{},
		attr.Cgroup{Dir: anyFile}, attr.ControllingTTY{File: anyFile},
		attr.Namespaces{Flags: newUTS}, attr.Unshare{Flags: newUTS}, attr.IDMap{UID: ids(0, 0, 1)},
		attr.AmbientCaps{}, attr.ParentDeathSignal(9), attr.DieWithParent{}, attr.Ptrace{}, attr.DetachTTY{}, attr.ControllingTTY{FD: attr.FD(0)},
		attr.Foreground{FD: attr.FD(0)},
		attr.SchedPolicy{}, attr.CPUAffinity{0}, attr.NUMAPolicy{}, attr.IOPrio{}, attr.TimerSlack(0), attr.CoreSched{},
		attr.OOMScoreAdj(0), attr.RlimitToHard(0), attr.NoFileCurrent,
		attr.Foreground{File: anyFile}, attr.Capabilities{}, attr.SecureBits(0),
		attr.IDs{Root: true}, attr.Personality(0), attr.ChildSubreaper{}, attr.SessionKeyring("x"),
		attr.StartSuspended{}, attr.CoredumpFilter(0), attr.MemoryDenyWriteExec{}, attr.NoHugePages{}, attr.MergePages{},
	} {
		other := attr.Attr(attr.Nice(1))
		if reflect.TypeOf(a) == reflect.TypeOf(other) {
			other = attr.Umask(1)
		}
		wrong(t, attr.List{a, other, a}, 2)
	}
}

// TestUnmet has an attribute that makes sense only with another.
func TestUnmet(t *testing.T) {
	wrong(t, attr.List{attr.ControllingTTY{File: anyFile}}, 0)
	wrong(t, attr.List{attr.Nice(1), attr.ControllingTTY{FD: attr.FD(0)}}, 1)
	wrong(t, attr.List{attr.Nice(1), attr.Foreground{File: anyFile}, attr.Umask(0)}, 1)
	wrong(t, attr.List{attr.Namespaces{Flags: newUTS}, attr.IDMap{UID: ids(0, 0, 1)}, attr.Unshare{Flags: newNS}}, 1)
	wrong(t, attr.List{attr.Nice(1), attr.Setpgid{}, attr.ControllingTTY{File: anyFile}, attr.Umask(0)}, 2)
}
