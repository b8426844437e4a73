//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
)

// shell is a Spec of a script.
func shell(script string, list ...attr.Attr) *spawn.Spec {
	return &spawn.Spec{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Attr: list}
}

// needNamespaces skips a test where namespaces can't be made.
func needNamespaces(t testing.TB, flags uintptr) {
	t.Helper()
	_, state, err := tryOutput(shell(":", attr.Namespaces{Flags: flags}))
	if err != nil || !state.Success() {
		skip(t, fmt.Sprintf("no namespaces %#x: %v", flags, err))
	}
}

var namespaceFiles = map[string]uintptr{
	"cgroup": unix.CLONE_NEWCGROUP, "ipc": unix.CLONE_NEWIPC, "mnt": unix.CLONE_NEWNS, "net": unix.CLONE_NEWNET,
	"pid": unix.CLONE_NEWPID, "user": unix.CLONE_NEWUSER, "uts": unix.CLONE_NEWUTS,
}

// TestNewNamespaces makes namespaces of each kind, by clone and by unshare, and
// wants those and no others to be new.
func TestNewNamespaces(t *testing.T) {
	needNamespaces(t, unix.CLONE_NEWUSER|unix.CLONE_NEWNET)
	eachEngine(t, func(t *testing.T) {
		for name, flag := range namespaceFiles {
			flags := flag | unix.CLONE_NEWUSER
			if os.Geteuid() == 0 {
				flags = flag
			}
			own := ownNamespaces("self")
			got := parseNamespaces(output(t, namespaceSpec(attr.Namespaces{Flags: flags})))
			checkNamespaces(t, "clone "+name, own, got, flags)
			if name == "pid" { // only its children would be in it
				continue
			}
			got = parseNamespaces(output(t, namespaceSpec(attr.Unshare{Flags: flags})))
			checkNamespaces(t, "unshare "+name, own, got, flags)
		}
	})
}

func namespaceSpec(list ...attr.Attr) *spawn.Spec {
	return shell("for f in /proc/self/ns/*; do readlink $f; done", list...)
}

func parseNamespaces(out string) map[string]string {
	links := map[string]string{}
	for link := range strings.FieldsSeq(out) {
		name, _, _ := strings.Cut(link, ":")
		links[name] = link
	}
	return links
}

// ownNamespaces are those of a thread, such as self or thread-self.
func ownNamespaces(thread string) map[string]string {
	links := map[string]string{}
	for name := range namespaceFiles {
		links[name], _ = os.Readlink("/proc/" + thread + "/ns/" + name)
	}
	return links
}

func checkNamespaces(t *testing.T, what string, own, got map[string]string, flags uintptr) {
	t.Helper()
	for name, flag := range namespaceFiles {
		if isNew := got[name] != own[name]; isNew != (flags&flag != 0) || got[name] == "" {
			t.Errorf("%s: %s is %q, here %q", what, name, got[name], own[name])
		}
	}
}

func TestTimeNamespace(t *testing.T) {
	needRoot(t)
	eachEngine(t, func(t *testing.T) {
		spec := namespaceSpec(attr.Nice(1), attr.Namespaces{Flags: unix.CLONE_NEWTIME})
		if !spawn.Features().Has("clone3") {
			var e *spawn.Error
			if _, err := spawn.Compile(spec); !errors.Is(err, errors.ErrUnsupported) || !errors.As(err, &e) || e.Index != 1 {
				t.Errorf("%v", err)
			}
			return
		}
		_, state, err := tryOutput(spec)
		if errors.Is(err, unix.EINVAL) {
			skip(t, "no time namespaces")
		}
		if err != nil || !state.Success() {
			t.Errorf("%v, %v", state, err)
		}
	})
}

// TestPidNamespace wants a child that is process 1 of it.
func TestPidNamespace(t *testing.T) {
	needNamespaces(t, unix.CLONE_NEWUSER|unix.CLONE_NEWPID)
	eachEngine(t, func(t *testing.T) {
		// With the signal too, although its parent has no number there.
		out := output(t, shell("echo $$", attr.Namespaces{Flags: unix.CLONE_NEWUSER | unix.CLONE_NEWPID},
			attr.ParentDeathSignal(unix.SIGKILL)))
		if out != "1\n" {
			t.Errorf("%q", out)
		}
	})
}

// TestFeaturesInPidNamespace looks from where the own process group has no number,
// as in what was run inside a container from outside.
func TestFeaturesInPidNamespace(t *testing.T) {
	flags := uintptr(unix.CLONE_NEWUSER | unix.CLONE_NEWPID)
	needNamespaces(t, flags)
	s := helper(t, "group and features")
	s.Attr = append(s.Attr, attr.Namespaces{Flags: flags})
	if got, want := output(t, s), "group 0\n"+spawn.Features().String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

var _ = registerHelper("group and features", func([]string) int {
	fmt.Printf("group %d\n%v", unix.Getpgrp(), spawn.Features())
	return 0
})

// TestPrivateMounts mounts something in a child, below a mount that is shared.
func TestPrivateMounts(t *testing.T) {
	needRoot(t)
	dir := publicDir(t)
	if err := unix.Mount("none", dir, "tmpfs", 0, ""); err != nil {
		skip(t, "no mounts: "+err.Error())
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	if err := unix.Mount("none", dir, "", unix.MS_SHARED, ""); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir+"/m", 0o755); err != nil {
		t.Fatal(err)
	}
	eachEngine(t, func(t *testing.T) {
		output(t, shell("mount -t tmpfs none "+dir+"/m && : >"+dir+"/m/file", attr.Unshare{Flags: unix.CLONE_NEWNS}))
		if _, err := os.Stat(dir + "/m/file"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("seen outside: %v", err)
		}
	})
}

const showMaps = "cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups; id -u; id -g"

func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }

func mapOwn() (uid, gid []attr.IDMapEntry) {
	return []attr.IDMapEntry{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		[]attr.IDMapEntry{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
}

// TestIDMap maps this process's ids, which needs no privilege.
func TestIDMap(t *testing.T) {
	needNamespaces(t, unix.CLONE_NEWUSER)
	want := fmt.Sprintf("0 %d 1 0 %d 1 deny 0 0", os.Geteuid(), os.Getegid())
	uid, gid := mapOwn()
	eachEngine(t, func(t *testing.T) {
		for _, a := range []attr.Attr{
			attr.Namespaces{Flags: unix.CLONE_NEWUSER}, attr.Unshare{Flags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS},
		} {
			if got := squeeze(output(t, shell(showMaps, a, attr.IDMap{UID: uid, GID: gid}))); got != want {
				t.Errorf("%T: %q, want %q", a, got, want)
			}
		}
		// A map of one kind alone.
		got := squeeze(output(t, shell("cat /proc/self/uid_map /proc/self/gid_map",
			attr.Namespaces{Flags: unix.CLONE_NEWUSER}, attr.IDMap{UID: uid})))
		if want := fmt.Sprintf("0 %d 1", os.Geteuid()); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

// TestManyIDs maps ranges, and becomes a user of them.
func TestManyIDs(t *testing.T) {
	needRoot(t)
	needNamespaces(t, unix.CLONE_NEWUSER)
	ids := []attr.IDMapEntry{{ContainerID: 0, HostID: 100000, Size: 1000}, {ContainerID: 1000, HostID: 0, Size: 1}}
	before := dumpableFlag(t)
	eachEngine(t, func(t *testing.T) {
		got := squeeze(output(t, shell(showMaps+"; id -G", attr.IDMap{UID: ids, GID: ids, Setgroups: true},
			attr.Namespaces{Flags: unix.CLONE_NEWUSER}, attr.Credential{UID: 1000, GID: 1000, Groups: []uint32{7}})))
		if want := "0 100000 1000 1000 0 1 0 100000 1000 1000 0 1 allow 1000 1000 1000 7"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
	if after := dumpableFlag(t); after != before {
		t.Errorf("dumpable is %d, was %d", after, before)
	}
}

func dumpableFlag(t testing.TB) int {
	t.Helper()
	n, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestIDMapRefused has maps that the kernel doesn't take.
func TestIDMapRefused(t *testing.T) {
	needNamespaces(t, unix.CLONE_NEWUSER)
	uid, gid := mapOwn()
	bad := []attr.IDMapEntry{{Size: 10}, {Size: 10}} // overlaps
	eachEngine(t, func(t *testing.T) {
		for _, a := range []attr.Attr{
			attr.Namespaces{Flags: unix.CLONE_NEWUSER}, attr.Unshare{Flags: unix.CLONE_NEWUSER},
		} {
			_, err := spawn.Start(context.Background(), shell(":", a, attr.IDMap{UID: bad, GID: gid}))
			checkFault(t, err, want{"uid_map", 1, "0 0 10 0 0 10", []syscall.Errno{unix.EINVAL, unix.EPERM}})
			_, err = spawn.Start(context.Background(), shell(":", attr.IDMap{UID: uid, GID: bad}, a))
			checkFault(t, err, want{"gid_map", 0, "0 0 10 0 0 10", []syscall.Errno{unix.EINVAL, unix.EPERM}})
		}
	})
}

func TestNamespaceRefused(t *testing.T) {
	needUser(t)
	eachEngine(t, func(t *testing.T) {
		_, err := spawn.Start(context.Background(), shell(":", attr.Nice(1), attr.Namespaces{Flags: unix.CLONE_NEWUTS}))
		checkFault(t, err, want{"clone", 1, "uts", []syscall.Errno{unix.EPERM}})
		_, err = spawn.Start(context.Background(), shell(":", attr.Unshare{Flags: unix.CLONE_NEWUTS}))
		checkFault(t, err, want{"unshare", 0, "uts", []syscall.Errno{unix.EPERM}})
	})
}

// TestCancelWithIDMap ends the context while children are on their way, at
// moments that differ, and while one is held up by a FIFO.
func TestCancelWithIDMap(t *testing.T) {
	needNamespaces(t, unix.CLONE_NEWUSER)
	uid, gid := mapOwn()
	fifo := t.TempDir() + "/fifo"
	if err := unix.Mkfifo(fifo, 0o666); err != nil {
		t.Fatal(err)
	}
	eachEngine(t, func(t *testing.T) {
		s := shell(":", attr.Namespaces{Flags: unix.CLONE_NEWUSER}, attr.IDMap{UID: uid, GID: gid})
		for i := range 20 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i)*50*time.Microsecond)
			p, err := spawn.Start(ctx, s)
			cancel()
			if err == nil {
				_, err = p.Wait(context.Background())
			}
			if err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		}
		s.Actions = spawn.FileActions{}
		s.Actions.Open(0, fifo, os.O_RDONLY, 0)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		if _, err := spawn.Start(ctx, s); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}

// TestIDMapsAtOnce has the garbage collector run while children wait.
func TestIDMapsAtOnce(t *testing.T) {
	needNamespaces(t, unix.CLONE_NEWUSER)
	uid, gid := mapOwn()
	prog, err := spawn.Compile(shell(":", attr.Namespaces{Flags: unix.CLONE_NEWUSER}, attr.IDMap{UID: uid, GID: gid}))
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan error)
	const goroutines = 8
	for range goroutines {
		go func() {
			var err error
			for range 10 {
				p, e := prog.Start(context.Background())
				if e == nil {
					_, e = p.Wait(context.Background())
				}
				err = errors.Join(err, e)
			}
			results <- err
		}()
	}
	for n := 0; n < goroutines; {
		select {
		case err := <-results:
			n++
			if err != nil {
				t.Error(err)
			}
		case <-time.After(time.Millisecond):
			runtime.GC()
		}
	}
}
