//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package attr_test

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

func init() {
	testenv.OmitExample("Example_join", func() string { return testenv.LacksCall("pidfd_open", unix.SYS_PIDFD_OPEN) })
}

// namespaceOf opens a namespace of a process.
func namespaceOf(t *testing.T, p *spawn.Process, name string) *os.File {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", p.Pid(), name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// lives is liveChild until the end of the test.
func lives(t *testing.T, list ...attr.Attr) *spawn.Process {
	t.Helper()
	p, end := spawntest.LiveChild(t, list...)
	t.Cleanup(end)
	return p
}

// TestJoinOwnedElsewhere enters a user namespace, and others that belong to it or to
// ours, named in any order, by kind or not, and by one pidfd.
func TestJoinOwnedElsewhere(t *testing.T) {
	testenv.NeedCall(t, "pidfd_open", unix.SYS_PIDFD_OPEN)
	testenv.NeedRoot(t)
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUSER|unix.CLONE_NEWNET)
	maps := attr.IDMap{UID: []attr.IDMapEntry{{HostID: 1000, Size: 1}}, GID: []attr.IDMapEntry{{HostID: 1000, Size: 1}}}
	inside := lives(t, attr.Namespaces{Flags: unix.CLONE_NEWUSER | unix.CLONE_NEWUTS}, maps)
	outside := lives(t, attr.Namespaces{Flags: unix.CLONE_NEWNET | unix.CLONE_NEWIPC})
	// Its network belongs to us, its user namespace not.
	both := lives(t, attr.Namespaces{Flags: unix.CLONE_NEWNET}, attr.Unshare{Flags: unix.CLONE_NEWUSER | unix.CLONE_NEWUTS})
	pidfd, err := unix.PidfdOpen(both.Pid(), 0)
	if err != nil {
		t.Fatal(err)
	}
	process := os.NewFile(uintptr(pidfd), "pidfd")
	defer process.Close()
	user, uts := namespaceOf(t, inside, "user"), namespaceOf(t, inside, "uts")
	net, ipc := namespaceOf(t, outside, "net"), namespaceOf(t, outside, "ipc")
	join := func(f *os.File, types uint) attr.Attr { return attr.JoinNamespace{File: f, Types: types} }
	links := func(p *spawn.Process, names ...string) map[string]string {
		m := map[string]string{}
		for _, name := range names {
			m[name], _ = os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", p.Pid(), name))
		}
		return m
	}
	wanted := links(inside, "user", "uts")
	for name, link := range links(outside, "net", "ipc") {
		wanted[name] = link
	}
	cases := []struct {
		name string
		list attr.List
		want map[string]string
	}{
		{"by kind", attr.List{join(user, unix.CLONE_NEWUSER), join(net, unix.CLONE_NEWNET), join(ipc, unix.CLONE_NEWIPC), join(uts, unix.CLONE_NEWUTS)}, wanted},
		{"user last", attr.List{join(uts, unix.CLONE_NEWUTS), join(ipc, unix.CLONE_NEWIPC), join(net, unix.CLONE_NEWNET), join(user, unix.CLONE_NEWUSER)}, wanted},
		{"any kind", attr.List{join(user, 0), join(net, 0), join(ipc, 0), join(uts, 0)}, wanted},
		{"any kind, user last", attr.List{join(uts, 0), join(ipc, 0), join(net, 0), join(user, 0)}, wanted},
		{"one pidfd", attr.List{join(process, unix.CLONE_NEWUSER|unix.CLONE_NEWNET|unix.CLONE_NEWUTS)}, links(both, "user", "net", "uts")},
	}
	spawntest.EachEngine(t, func(t *testing.T) {
		for _, c := range cases {
			got := spawntest.ParseNamespaces(spawntest.Output(t, spawntest.Namespaces(c.list...)))
			for name, link := range c.want {
				if got[name] != link {
					t.Errorf("%s: %s is %s, want %s", c.name, name, got[name], link)
				}
			}
		}
	})
}
