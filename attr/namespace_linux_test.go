//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package attr_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestNewNamespaces makes namespaces of each kind, by clone and by unshare, and
// wants those and no others to be new.
func TestNewNamespaces(t *testing.T) {
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUSER|unix.CLONE_NEWNET)
	spawntest.EachEngine(t, func(t *testing.T) {
		for name, flag := range spawntest.NamespaceKinds {
			flags := flag | unix.CLONE_NEWUSER
			if os.Geteuid() == 0 {
				flags = flag
			}
			own := spawntest.NamespacesOf("self")
			got := spawntest.ParseNamespaces(spawntest.Output(t, spawntest.Namespaces(attr.Namespaces{Flags: flags})))
			checkNamespaces(t, "clone "+name, own, got, flags)
			if name == "pid" { // only its children would be in it
				continue
			}
			got = spawntest.ParseNamespaces(spawntest.Output(t, spawntest.Namespaces(attr.Unshare{Flags: flags})))
			checkNamespaces(t, "unshare "+name, own, got, flags)
		}
	})
}

func checkNamespaces(t *testing.T, what string, own, got map[string]string, flags uint) {
	t.Helper()
	for name, flag := range spawntest.NamespaceKinds {
		if isNew := got[name] != own[name]; isNew != (flags&flag != 0) || got[name] == "" {
			t.Errorf("%s: %s is %q, here %q", what, name, got[name], own[name])
		}
	}
}

func TestTimeNamespace(t *testing.T) {
	testenv.NeedRoot(t)
	spawntest.EachEngine(t, func(t *testing.T) {
		spec := spawntest.Namespaces(attr.Nice(1), attr.Namespaces{Flags: unix.CLONE_NEWTIME})
		if !spawn.Features().Has(spawn.FeatureClone3) {
			var e *spawn.Error
			if _, err := spawn.Compile(spec); !errors.Is(err, errors.ErrUnsupported) || !errors.As(err, &e) || e.Index != 1 {
				t.Errorf("%v", err)
			}
			return
		}
		_, state, err := spawntest.TryOutput(spec)
		if errors.Is(err, unix.EINVAL) {
			testenv.Skip(t, "no time namespaces")
		}
		if err != nil || !state.Success() {
			t.Errorf("%v, %v", state, err)
		}
	})
}

// TestPidNamespace wants a child that is process 1 of it.
func TestPidNamespace(t *testing.T) {
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUSER|unix.CLONE_NEWPID)
	spawntest.EachEngine(t, func(t *testing.T) {
		// With the signal too, although its parent has no number there.
		out := spawntest.Output(t, spawntest.Shell("echo $$", attr.Namespaces{Flags: unix.CLONE_NEWUSER | unix.CLONE_NEWPID},
			attr.ParentDeathSignal(unix.SIGKILL)))
		if out != "1\n" {
			t.Errorf("%q", out)
		}
	})
}

// TestFeaturesInPidNamespace looks from where the own process group has no number,
// as in what was run inside a container from outside.
func TestFeaturesInPidNamespace(t *testing.T) {
	flags := uint(unix.CLONE_NEWUSER | unix.CLONE_NEWPID)
	spawntest.NeedNamespaces(t, flags)
	s := spawntest.Helper(t, "group and features")
	// Whose ids are not mapped has no namespaces of its own.
	s.Attr = append(s.Attr, attr.Namespaces{Flags: flags}, attr.IDMap{
		UID: []attr.IDMapEntry{{HostID: os.Geteuid(), Size: 1}}, GID: []attr.IDMapEntry{{HostID: os.Getegid(), Size: 1}},
	})
	// In its own user namespace it has a privilege more.
	here := slices.DeleteFunc(spawn.Features(), func(f spawn.Feature) bool { return f.Name == spawn.FeatureDieWithParent })
	if got, want := spawntest.Output(t, s), "group 0\n"+here.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

var _ = testenv.RegisterHelper("group and features", func([]string) int {
	less := slices.DeleteFunc(spawn.Features(), func(f spawn.Feature) bool { return f.Name == spawn.FeatureDieWithParent })
	fmt.Printf("group %d\n%v", unix.Getpgrp(), less)
	return 0
})

// TestPrivateMounts mounts something in a child, below a mount that is shared.
func TestPrivateMounts(t *testing.T) {
	testenv.NeedRoot(t)
	dir := testenv.PublicDir(t)
	if err := unix.Mount("none", dir, "tmpfs", 0, ""); err != nil {
		testenv.Skip(t, "no mounts: "+err.Error())
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	if err := unix.Mount("none", dir, "", unix.MS_SHARED, ""); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir+"/m", 0o755); err != nil {
		t.Fatal(err)
	}
	spawntest.EachEngine(t, func(t *testing.T) {
		spawntest.Output(t, spawntest.Shell("mount -t tmpfs none "+dir+"/m && : >"+dir+"/m/file", attr.Unshare{Flags: unix.CLONE_NEWNS}))
		if _, err := os.Stat(dir + "/m/file"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("seen outside: %v", err)
		}
	})
}

const showMaps = "cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups; id -u; id -g"

// TestIDMap maps this process's ids, which needs no privilege.
func TestIDMap(t *testing.T) {
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUSER)
	want := fmt.Sprintf("0 %d 1 0 %d 1 deny 0 0", os.Geteuid(), os.Getegid())
	uid, gid := spawntest.MapOwn()
	spawntest.EachEngine(t, func(t *testing.T) {
		for _, a := range []attr.Attr{
			attr.Namespaces{Flags: unix.CLONE_NEWUSER}, attr.Unshare{Flags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS},
		} {
			if got := squeeze(spawntest.Output(t, spawntest.Shell(showMaps, a, attr.IDMap{UID: uid, GID: gid}))); got != want {
				t.Errorf("%T: %q, want %q", a, got, want)
			}
		}
		// A map of one kind alone.
		got := squeeze(spawntest.Output(t, spawntest.Shell("cat /proc/self/uid_map /proc/self/gid_map",
			attr.Namespaces{Flags: unix.CLONE_NEWUSER}, attr.IDMap{UID: uid})))
		if want := fmt.Sprintf("0 %d 1", os.Geteuid()); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

// TestManyIDs maps ranges, and becomes a user of them.
func TestManyIDs(t *testing.T) {
	testenv.NeedRoot(t)
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUSER)
	ids := []attr.IDMapEntry{{ContainerID: 0, HostID: 100000, Size: 1000}, {ContainerID: 1000, HostID: 0, Size: 1}}
	before := dumpableFlag(t)
	spawntest.EachEngine(t, func(t *testing.T) {
		got := squeeze(spawntest.Output(t, spawntest.Shell(showMaps+"; id -G", attr.IDMap{UID: ids, GID: ids, Setgroups: true},
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
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUSER)
	uid, gid := spawntest.MapOwn()
	bad := []attr.IDMapEntry{{Size: 10}, {Size: 10}} // overlaps
	spawntest.EachEngine(t, func(t *testing.T) {
		for _, a := range []attr.Attr{
			attr.Namespaces{Flags: unix.CLONE_NEWUSER}, attr.Unshare{Flags: unix.CLONE_NEWUSER},
		} {
			_, err := spawn.Start(context.Background(), spawntest.Shell(":", a, attr.IDMap{UID: bad, GID: gid}))
			spawntest.CheckFault(t, err, spawntest.Fails("uid_map", 1, "0 0 10 0 0 10", unix.EINVAL, unix.EPERM))
			_, err = spawn.Start(context.Background(), spawntest.Shell(":", attr.IDMap{UID: uid, GID: bad}, a))
			spawntest.CheckFault(t, err, spawntest.Fails("gid_map", 0, "0 0 10 0 0 10", unix.EINVAL, unix.EPERM))
		}
	})
}

func TestNamespaceRefused(t *testing.T) {
	testenv.NeedUser(t)
	spawntest.EachEngine(t, func(t *testing.T) {
		_, err := spawn.Start(context.Background(), spawntest.Shell(":", attr.Nice(1), attr.Namespaces{Flags: unix.CLONE_NEWUTS}))
		spawntest.CheckFault(t, err, spawntest.Fails("clone", 1, "uts", unix.EPERM))
		_, err = spawn.Start(context.Background(), spawntest.Shell(":", attr.Unshare{Flags: unix.CLONE_NEWUTS}))
		spawntest.CheckFault(t, err, spawntest.Fails("unshare", 0, "uts", unix.EPERM))
	})
}

// TestCancelWithIDMap ends the context while children are on their way, at
// moments that differ, and while one is held up by a FIFO.
func TestCancelWithIDMap(t *testing.T) {
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUSER)
	uid, gid := spawntest.MapOwn()
	fifo := t.TempDir() + "/fifo"
	if err := unix.Mkfifo(fifo, 0o666); err != nil {
		t.Fatal(err)
	}
	spawntest.EachEngine(t, func(t *testing.T) {
		s := spawntest.Shell(":", attr.Namespaces{Flags: unix.CLONE_NEWUSER}, attr.IDMap{UID: uid, GID: gid})
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
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUSER)
	uid, gid := spawntest.MapOwn()
	prog, err := spawn.Compile(spawntest.Shell(":", attr.Namespaces{Flags: unix.CLONE_NEWUSER}, attr.IDMap{UID: uid, GID: gid}))
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

// TestMapOwn wants this process's user to be root, or itself, in a new user namespace.
func TestMapOwn(t *testing.T) {
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUSER)
	self := fmt.Sprintf("%d %d\n", os.Geteuid(), os.Getegid())
	spawntest.EachEngine(t, func(t *testing.T) {
		for _, c := range []struct {
			ids  attr.IDMap
			want string
		}{{attr.MapRoot(), "0 0\n"}, {attr.MapSelf(), self}} {
			for _, way := range []attr.Attr{attr.Namespaces{Flags: unix.CLONE_NEWUSER}, attr.Unshare{Flags: unix.CLONE_NEWUSER}} {
				if got := spawntest.Output(t, spawntest.Shell(`echo "$(id -u) $(id -g)"`, way, c.ids)); got != c.want {
					t.Errorf("%T: %q, want %q", way, got, c.want)
				}
			}
		}
	})
}
