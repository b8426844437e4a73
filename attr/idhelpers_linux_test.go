//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package attr_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// writesMaps is such a script, which does what it is asked for.
const writesMaps = `printf '%s %s %s\n' "$@" >/proc/$pid/$file`

// TestHelpers has the maps written by other programs, on one processor, and while
// no other child may be made.
func TestHelpers(t *testing.T) {
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUSER)
	log := filepath.Join(testenv.PublicDir(t), "log")
	spawntest.NewIDHelpers(t, `echo "$file $@" >>`+log+"\n"+writesMaps)
	want := fmt.Sprintf("0 %d 1 0 %d 1 deny 0 0", os.Geteuid(), os.Getegid())
	calls := fmt.Sprintf("uid_map 0 %d 1 gid_map 0 %d 1", os.Geteuid(), os.Getegid())
	spawntest.EachEngine(t, func(t *testing.T) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		for _, prepare := range []func(a *spawn.FileActions){func(*spawn.FileActions) {}, (*spawn.FileActions).InheritAll} {
			os.Remove(log)
			s := spawntest.MappedBy(showMaps)
			prepare(&s.Actions)
			if got := squeeze(spawntest.Output(t, s)); got != want {
				t.Errorf("%q, want %q", got, want)
			}
			if text, err := os.ReadFile(log); err != nil || squeeze(string(text)) != calls {
				t.Errorf("called with %q, %v", text, err)
			}
		}
	})
}

// TestSetgroupsWithHelpers wants it denied unless it is asked for.
func TestSetgroupsWithHelpers(t *testing.T) {
	testenv.NeedRoot(t)
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUSER)
	spawntest.NewIDHelpers(t, writesMaps)
	one, two := []attr.IDMapEntry{{HostID: 5, Size: 1}}, []attr.IDMapEntry{{HostID: 5, Size: 2}}
	for _, c := range []struct {
		m    attr.IDMap
		want string
	}{
		{attr.IDMap{GID: one}, "deny"}, {attr.IDMap{GID: one, Setgroups: true}, "allow"}, {attr.IDMap{GID: two}, "deny"},
		{attr.IDMap{GID: two, Setgroups: true}, "allow"}, {attr.IDMap{UID: one}, "allow"},
	} {
		c.m.Helpers = true
		if got := squeeze(spawntest.Output(t, spawntest.Shell("cat /proc/self/setgroups", c.m, attr.Namespaces{Flags: unix.CLONE_NEWUSER}))); got != c.want {
			t.Errorf("%+v: %s", c.m, got)
		}
	}
}

// TestHelperFails wants to know which one, and what it has said.
func TestHelperFails(t *testing.T) {
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUSER)
	uid, gid := fmt.Sprintf("0 %d 1", os.Geteuid()), fmt.Sprintf("0 %d 1", os.Getegid())
	for _, c := range []struct {
		script string
		spawntest.Want
	}{
		{"echo some reason >&2; exit 3", spawntest.Fails("uid_map", 0, uid, unix.EPERM)},
		{"[ $file = uid_map ] && " + writesMaps + " || { echo some reason; exit 1; }", spawntest.Fails("gid_map", 0, gid, unix.EPERM)},
	} {
		spawntest.NewIDHelpers(t, c.script)
		spawntest.EachEngine(t, func(t *testing.T) {
			_, err := spawn.Start(context.Background(), spawntest.MappedBy(":"))
			spawntest.CheckFault(t, err, c.Want)
			var e *spawn.Error
			if !errors.As(err, &e) || e.Hint != "some reason" {
				t.Errorf("no message: %v", err)
			}
		})
	}
	for _, script := range []string{"echo some reason; kill -9 $$", "exit 0\n", `head -c 200000 /dev/zero | tr '\0' x; exit 1`} {
		spawntest.NewIDHelpers(t, script)
		_, err := spawn.Start(context.Background(), spawntest.MappedBy(":", attr.Credential{KeepGroups: true, Root: true}))
		var e *spawn.Error
		if !errors.As(err, &e) || len(e.Hint) > 1024 {
			t.Errorf("%q: %v", script, err)
		}
	}
}

func TestNoHelpers(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	uid, gid := spawntest.MapOwn()
	for _, c := range []struct {
		m            attr.IDMap
		step, object string
	}{
		{attr.IDMap{UID: uid, GID: gid, Helpers: true}, "uid_map", "newuidmap"},
		{attr.IDMap{GID: gid, Helpers: true}, "gid_map", "newgidmap"},
	} {
		_, err := spawn.Compile(spawntest.Shell(":", attr.Namespaces{Flags: unix.CLONE_NEWUSER}, c.m))
		var e *spawn.Error
		if !errors.Is(err, errors.ErrUnsupported) || !errors.Is(err, exec.ErrNotFound) || !errors.As(err, &e) ||
			e.Step != c.step || e.Index != 1 || e.Object != c.object {
			t.Errorf("%v", err)
		}
	}
}

// TestCancelHelper ends the context while a program that doesn't end is to write
// the map, and at moments that differ.
func TestCancelHelper(t *testing.T) {
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUSER)
	spawntest.EachEngine(t, func(t *testing.T) {
		before := testenv.Settled()
		spawntest.NewIDHelpers(t, "exec sleep 600")
		for _, limit := range []time.Duration{0, time.Millisecond, 20 * time.Millisecond} {
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			if _, err := spawn.Start(ctx, spawntest.MappedBy(":")); err != context.DeadlineExceeded {
				t.Errorf("%v", err)
			}
			cancel()
		}
		spawntest.NewIDHelpers(t, writesMaps)
		for i := range 5 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i)*2*time.Millisecond)
			p, err := spawn.Start(ctx, spawntest.MappedBy(":"))
			cancel()
			if err == nil {
				_, err = p.Wait(context.Background())
			}
			if err != nil && err != context.DeadlineExceeded {
				t.Error(err)
			}
		}
		testenv.CheckFDs(t, before)
	})
}

// slowContext tells one after the other of its end, and long after the first.
type slowContext struct {
	context.Context
	done  chan struct{}
	mu    sync.Mutex
	ended bool
	funcs []func()
}

func (c *slowContext) Done() <-chan struct{} { return c.done }

func (c *slowContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return context.Canceled
	}
	return nil
}

// AfterFunc is what package context looks for.
func (c *slowContext) AfterFunc(f func()) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.funcs = append(c.funcs, f)
	return func() bool { return false }
}

func (c *slowContext) end() {
	c.mu.Lock()
	c.ended = true
	close(c.done)
	funcs := c.funcs
	c.mu.Unlock()
	for _, f := range funcs {
		f()
		time.Sleep(100 * time.Millisecond)
	}
}

// TestCancelHelperFirst has what is to write the map ended by the context before
// the child is, and wants the context's error even so.
func TestCancelHelperFirst(t *testing.T) {
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUSER)
	spawntest.NewIDHelpers(t, "exec sleep 600")
	c := &slowContext{Context: context.Background(), done: make(chan struct{})}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		time.Sleep(20 * time.Millisecond)
		c.end()
	})
	if _, err := spawn.Start(c, spawntest.MappedBy(":")); err != context.Canceled {
		t.Errorf("%v", err)
	}
}

// TestHelperOfDeadChild has the child killed while a program that doesn't end is to
// write the map.
func TestHelperOfDeadChild(t *testing.T) {
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUSER)
	spawntest.NewIDHelpers(t, "kill -9 $pid; exec sleep 600")
	spawntest.EachEngine(t, func(t *testing.T) {
		before := testenv.Settled()
		p, err := spawn.Start(context.Background(), spawntest.MappedBy(":"))
		if err == nil {
			var state *spawn.ProcessState
			if state, err = p.Wait(context.Background()); err == nil && state.Signal() != unix.SIGKILL {
				t.Errorf("%v", state)
			}
		}
		if err != nil {
			t.Error(err)
		}
		testenv.CheckFDs(t, before)
	})
}

// TestSubordinateIDs maps 65536 of them by way of the real programs, by a user whom
// /etc/subuid lists: for root in a mount namespace that has such a file.
func TestSubordinateIDs(t *testing.T) {
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUSER)
	s, files := spawntest.Helper(t, "subordinate ids"), map[string]string{"/etc/subuid": "nobody:100000:65536\n", "/etc/subgid": "nobody:200000:65536\n"}
	for _, name := range []string{"newuidmap", "newgidmap"} {
		if _, err := exec.LookPath(name); err != nil {
			testenv.Skip(t, "no "+name)
		}
	}
	if os.Geteuid() != 0 {
		for name, text := range files {
			if has, err := os.ReadFile(name); err != nil || !strings.Contains(string(has), text) {
				testenv.Skip(t, "no subordinate ids")
			}
		}
		spawntest.Succeeds(t, s)
		return
	}
	var list attr.Mounts
	for name, text := range files {
		source := filepath.Join(testenv.PublicDir(t), "file")
		testenv.Write(t, source, text, 0o644)
		if _, err := os.Stat(name); err != nil {
			testenv.Skip(t, "no "+name+" to mount on")
		}
		list = append(list, attr.Mount{Source: source, Target: name, Flags: unix.MS_BIND})
	}
	spawntest.RunByNobody(t, s)
	s.Attr = append(s.Attr, attr.Namespaces{Flags: unix.CLONE_NEWNS}, list)
	spawntest.Succeeds(t, s)
}

var _ = testenv.RegisterHelper("subordinate ids", func([]string) int {
	return testenv.Status(spawntest.EachEngineError(subordinateIDs))
})

func subordinateIDs(string) error {
	ids := func(own, first int) []attr.IDMapEntry {
		return []attr.IDMapEntry{{HostID: own, Size: 1}, {ContainerID: 1, HostID: first, Size: 65536}}
	}
	m := attr.IDMap{UID: ids(os.Getuid(), 100000), GID: ids(os.Getgid(), 200000), Setgroups: true, Helpers: true}
	own := attr.Namespaces{Flags: unix.CLONE_NEWUSER | unix.CLONE_NEWPID}
	s := spawntest.Shell(showMaps+"; id -G", m, own, attr.Credential{UID: 1000, GID: 65536, Groups: []uint32{7}})
	want := fmt.Sprintf("0 %d 1 1 100000 65536 0 %d 1 1 200000 65536 allow 1000 65536 65536 7", os.Getuid(), os.Getgid())
	// Others change their ids at the same time.
	err := testenv.AtOnce(4, func() error {
		if out, _, err := spawntest.TryOutput(s); err != nil || squeeze(out) != want {
			return fmt.Errorf("%q, want %q: %w", squeeze(out), want, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	m.UID[1].Size++
	_, err = spawn.Start(context.Background(), spawntest.Shell(":", m, own))
	var e *spawn.Error
	if !errors.Is(err, unix.EPERM) || !errors.As(err, &e) || !strings.Contains(e.Hint, "newuidmap: ") {
		return fmt.Errorf("too many ids: %w", err)
	}
	return nil
}

// TestManyIDsAtOnce is by a user who may map all ids but doesn't own the files of
// the maps while another child has just changed its ids.
func TestManyIDsAtOnce(t *testing.T) {
	s := spawntest.Helper(t, "many ids at once")
	testenv.NeedRoot(t)
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUSER)
	spawntest.RunByNobody(t, s)
	s.Attr = append(s.Attr, attr.AmbientCaps{unix.CAP_SETUID, unix.CAP_SETGID})
	spawntest.Succeeds(t, s)
}

var _ = testenv.RegisterHelper("many ids at once", func([]string) int {
	ids := []attr.IDMapEntry{{HostID: 100000, Size: 65536}}
	s := spawntest.Shell(":", attr.Namespaces{Flags: unix.CLONE_NEWUSER}, attr.IDMap{UID: ids, GID: ids, Setgroups: true},
		attr.Credential{UID: 1000, GID: 1000})
	err := testenv.AtOnce(8, func() error {
		for range 25 {
			if state, err := spawn.Run(context.Background(), s); err != nil || !state.Success() {
				return fmt.Errorf("%v, %w", state, err)
			}
		}
		return nil
	})
	if n, perr := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); n != 1 || perr != nil {
		err = errors.Join(err, fmt.Errorf("dumpable is %d, %w", n, perr))
	}
	return testenv.Status(err)
})

// TestIDMapWithForeignProc has a /proc that is of another pid namespace.
func TestIDMapWithForeignProc(t *testing.T) {
	flags := uint(unix.CLONE_NEWUSER | unix.CLONE_NEWPID)
	spawntest.NeedNamespaces(t, flags)
	uid, gid := spawntest.MapOwn()
	s := spawntest.Helper(t, "foreign proc")
	s.Attr = attr.List{attr.Namespaces{Flags: flags}, attr.IDMap{UID: uid, GID: gid}}
	spawntest.Succeeds(t, s)
}

var _ = testenv.RegisterHelper("foreign proc", func([]string) int {
	uid, gid := spawntest.MapOwn()
	s := spawntest.Shell(showMaps, attr.Namespaces{Flags: unix.CLONE_NEWUSER | unix.CLONE_NEWPID}, attr.IDMap{UID: uid, GID: gid})
	err := spawntest.EachEngineError(func(string) error {
		out, _, err := spawntest.TryOutput(s)
		if !spawn.Features().Has(spawn.FeaturePidfd) {
			if !errors.Is(err, unix.ENOENT) {
				return fmt.Errorf("no pidfd: %w", err)
			}
			return nil
		}
		if squeeze(out) != "0 0 1 0 0 1 deny 0 0" {
			return fmt.Errorf("%q, %w", out, err)
		}
		return nil
	})
	return testenv.Status(err)
})

// TestIDMapInJoined makes a user namespace in one that is entered, whose ids are
// those that count, and wants the maps of one that is only entered to be refused.
func TestIDMapInJoined(t *testing.T) {
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUSER)
	uid, gid := spawntest.MapOwn()
	inner := []attr.IDMapEntry{{ContainerID: 5, Size: 1}}
	spawntest.EachEngine(t, func(t *testing.T) {
		other, end := spawntest.LiveChild(t, attr.Namespaces{Flags: unix.CLONE_NEWUSER}, attr.IDMap{UID: uid, GID: gid})
		defer end()
		join := attr.JoinNamespace{File: spawntest.NamespaceFile(t, other.Pid(), "user"), Types: unix.CLONE_NEWUSER}
		m := attr.IDMap{UID: inner, GID: inner}
		if got := squeeze(spawntest.Output(t, spawntest.Shell(showMaps, m, attr.Unshare{Flags: unix.CLONE_NEWUSER}, join))); got != "5 0 1 5 0 1 deny 5 5" {
			t.Errorf("%q", got)
		}
		for _, list := range []attr.List{{m, join}, {m, join, attr.Namespaces{Flags: unix.CLONE_NEWUSER}}} {
			var e *spawn.Error
			if _, err := spawn.Compile(spawntest.Shell(":", list...)); !errors.Is(err, unix.EINVAL) || !errors.As(err, &e) {
				t.Errorf("%v", err)
			}
		}
	})
}
