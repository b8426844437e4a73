//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec && !spawn_nolinkname

package integration_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// secret is what attackers are after.
var secret = []byte("not for others")

// attacks are the ways into the memory, or to the descriptors, of a process.
var attacks = map[string]func(pid int, at uintptr) error{
	"mem": func(pid int, _ uintptr) error {
		f, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
		if err == nil {
			f.Close()
		}
		return err
	},
	"process_vm_readv": func(pid int, at uintptr) error {
		buf := make([]byte, 4)
		local := []unix.Iovec{{Base: &buf[0]}}
		local[0].SetLen(len(buf))
		_, err := unix.ProcessVMReadv(pid, local, []unix.RemoteIovec{{Base: at, Len: len(buf)}}, 0)
		return err
	},
	"pidfd_getfd": func(pid int, _ uintptr) error {
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		stolen, err := unix.PidfdGetfd(fd, 2, 0)
		if err == nil {
			unix.Close(stolen)
		}
		return err
	},
	"environ": func(pid int, _ uintptr) error {
		_, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		return err
	},
	"seize": func(pid int, _ uintptr) (err error) {
		testenv.OnThread(func() { err = unix.PtraceSeize(pid) }) // let go at the thread's end
		return err
	},
}

// The attacker is told by lines whom it is to attack, and where, and says which ways
// are open.
var _ = testenv.RegisterHelper("attacker", func([]string) int {
	for {
		var pid int
		var at uintptr
		if _, err := fmt.Scanln(&pid, &at); err != nil {
			return 0
		}
		for _, name := range []string{"mem", "process_vm_readv", "pidfd_getfd", "environ", "seize"} {
			if err := attacks[name](pid, at); err == nil {
				fmt.Printf("%s ", name)
			}
		}
		fmt.Println()
	}
})

// attackers are what processes are that attack; one of them is in a user namespace.
func attackers(ns *os.File) map[string]attr.List {
	return map[string]attr.List{
		"root":        nil,
		"capless":     {attr.NoCapabilities()},
		"chown":       {attr.OnlyCapabilities(unix.CAP_CHOWN)},
		"user":        {attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody}},
		"user, gid 0": {attr.Credential{UID: testenv.Nobody, Root: true}},
		"user 100000": {attr.Credential{UID: 100000, GID: 100000}},
		"sandbox":     {attr.JoinNamespace{File: ns, Types: unix.CLONE_NEWUSER}, attr.Credential{Root: true}},
	}
}

// attacker is a process that attacks. It must begin before who is to be attacked: its
// own start clears this process's flag.
type attacker struct {
	in  *os.File
	out *bufio.Scanner
}

// startAttacker starts one that ends with the test.
func startAttacker(t *testing.T, binary string, list attr.List) *attacker {
	t.Helper()
	inR, in, err := os.Pipe()
	out, outW, oerr := os.Pipe()
	if err := errors.Join(err, oerr); err != nil {
		t.Fatal(err)
	}
	s := spawntest.Helper(t, "attacker")
	s.Path, s.Attr = binary, list
	s.Actions.File(inR, 0)
	s.Actions.File(outW, 1)
	p, err := spawn.Start(context.Background(), s)
	inR.Close()
	outW.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close() // its end
		if state, err := p.Wait(context.Background()); err != nil || !state.Success() {
			t.Errorf("attacker: %v, %v", state, err)
		}
		out.Close()
	})
	return &attacker{in, bufio.NewScanner(out)}
}

// attack is by which ways it gets at pid.
func (a *attacker) attack(t *testing.T, pid int) string {
	t.Helper()
	if _, err := fmt.Fprintf(a.in, "%d %d\n", pid, reflect.ValueOf(&secret[0]).Pointer()); err != nil {
		t.Fatal(err)
	}
	if !a.out.Scan() {
		t.Fatal("the attacker has left")
	}
	return strings.TrimSpace(a.out.Text())
}

// sandbox is a process that is root in a user namespace of its own, and nowhere else.
func sandbox(t *testing.T) *os.File {
	t.Helper()
	ids := []attr.IDMapEntry{{HostID: 100000, Size: 65536}}
	s := spawntest.Shell("echo; exec sleep 1000", attr.Namespaces{Flags: unix.CLONE_NEWUSER},
		attr.IDMap{UID: ids, GID: ids, Setgroups: true}, attr.Credential{Root: true})
	p, r := spawntest.StartSaying(t, s)
	t.Cleanup(func() {
		_ = p.Kill()
		_, _ = p.Wait(context.Background())
	})
	if _, err := r.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", p.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.Close() })
	return ns
}

// TestAttackers has each process that may reach a child, but not this process, try
// to get at the memory of a child that is on its way to execve. The rows are those
// of docs/security.md.
func TestAttackers(t *testing.T) {
	testenv.NeedRoot(t)
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUSER)
	ns, binary := sandbox(t), spawntest.PublicBinary(t)
	user := attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody}
	ids := []attr.IDMapEntry{{HostID: 100000, Size: 65536}}
	own := attr.IDMap{UID: []attr.IDMapEntry{{Size: 1}}, GID: []attr.IDMapEntry{{Size: 1}}}
	everything := attr.IDMap{UID: ids, GID: ids, Setgroups: true}
	all := "mem process_vm_readv pidfd_getfd environ seize"
	if testenv.Lacks(unix.SYS_PIDFD_OPEN) || testenv.Lacks(unix.SYS_PIDFD_GETFD) {
		all = strings.Replace(all, "pidfd_getfd ", "", 1)
	}
	newUser, leave := attr.Namespaces{Flags: unix.CLONE_NEWUSER}, attr.Unshare{Flags: unix.CLONE_NEWUSER}
	enter := attr.JoinNamespace{File: ns, Types: unix.CLONE_NEWUSER}
	attacker := map[string]*attacker{}
	for name, list := range attackers(ns) {
		attacker[name] = startAttacker(t, binary, list)
	}
	for name, a := range attacker {
		if ways := a.attack(t, os.Getpid()); ways != "" && name != "root" {
			t.Fatalf("%s gets at this process: %s", name, ways)
		}
	}
	rows := []struct {
		attackers string
		list      attr.List
	}{
		{"capless", attr.List{newUser}},
		{"capless", attr.List{newUser, own}},
		{"capless", attr.List{newUser, everything, attr.Credential{Root: true}}},
		{"capless", attr.List{newUser, everything, attr.OOMScoreAdj(500)}},
		{"capless", attr.List{leave}},
		{"capless", attr.List{leave, own}},
		{"capless; sandbox", attr.List{enter}},
		{"capless; sandbox", attr.List{attr.JoinNamespace{File: ns}}},
		{"capless; sandbox; user 100000", attr.List{enter, attr.Credential{Root: true}}},
		{"capless", attr.List{attr.NoCapabilities()}},
		{"capless; chown", attr.List{attr.OnlyCapabilities(unix.CAP_CHOWN)}},
		{"capless", attr.List{attr.Capabilities{Effective: []attr.Capability{}, Permitted: []attr.Capability{}}}},
		{"capless", attr.List{attr.SecureBits(0xef)}},
		{"capless", attr.List{attr.NoNewPrivs{}}},
		{"user", attr.List{user}},
		{"user", attr.List{user, attr.AmbientCaps{unix.CAP_NET_BIND_SERVICE}}},
		{"user", attr.List{user, attr.OnlyCapabilities()}},
		{"user", attr.List{attr.IDs{RUID: testenv.Nobody, EUID: testenv.Nobody, RGID: testenv.Nobody, EGID: testenv.Nobody}}},
	}
	spawntest.EachEngine(t, func(t *testing.T) {
		for _, row := range rows {
			pid, letGo := spawntest.HoldChild(t, func(s *spawn.Spec) <-chan spawntest.Started { return spawntest.StartHeld(context.Background(), s) }, row.list)
			if ways := attacker["root"].attack(t, pid); ways != all {
				t.Errorf("%v: with all rights: %s", row.list, ways)
			}
			for name := range strings.SplitSeq(row.attackers, "; ") {
				if ways := attacker[name].attack(t, pid); ways != "" {
					t.Errorf("%v: %s gets at the memory by %s", row.list, name, ways)
				}
				if ways := attacker[name].attack(t, os.Getpid()); ways != "" {
					t.Errorf("%v: %s gets at this process by %s", row.list, name, ways)
				}
			}
			letGo()
		}
	})
	if d := testenv.Dumpable(t); d != 1 {
		t.Errorf("dumpable is %d", d)
	}
}

// TestAttackMixedIDs is about a thread that has put its privilege aside, and a child
// that gives it up. The kernel clears no flag for that, as the effective id stays.
func TestAttackMixedIDs(t *testing.T) {
	testenv.NeedRoot(t)
	binary := spawntest.PublicBinary(t)
	a := startAttacker(t, binary, attr.List{attr.Credential{UID: testenv.Nobody, Root: true}})
	defer func() { _ = spawn.SetDumpable(true) }()
	pid, letGo := spawntest.HoldChild(t, func(s *spawn.Spec) <-chan spawntest.Started {
		result := make(chan spawntest.Started, 1)
		go testenv.OnThread(func() {
			if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, 0, testenv.Nobody, 0); errno != 0 {
				result <- spawntest.Started{Process: nil, Err: errno}
				return
			}
			if err := spawn.SetDumpable(true); err != nil {
				result <- spawntest.Started{Process: nil, Err: err}
				return
			}
			p, err := spawn.Start(context.Background(), s)
			result <- spawntest.Started{Process: p, Err: err}
		})
		return result
	}, attr.List{attr.Credential{UID: testenv.Nobody, KeepGroups: true, Root: true}})
	if ways := a.attack(t, pid); ways != "" {
		t.Errorf("by %s", ways)
	}
	letGo()
}
