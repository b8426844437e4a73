//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package attr_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/raw"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// needVersion skips a test where Landlock lacks what came with a version.
func needVersion(t testing.TB, version int) {
	t.Helper()
	if abi, _ := raw.LandlockABI(); abi < version {
		testenv.Skip(t, fmt.Sprintf("version %d of Landlock, not %d", abi, version))
	}
}

// restricted is what a program can do under rules for three directories.
func restricted(dir string) error {
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"read", "write", "secret"} {
		if err := os.Mkdir(in(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(in(name+"/file"), []byte(name), 0o666); err != nil {
			return err
		}
	}
	ruleset, err := attr.NewLandlock(attr.LandlockRules{
		Read: []string{in("read")}, Write: []string{in("write"), "/dev/null"}, Execute: spawntest.System(), BestEffort: true,
	})
	if err != nil {
		return err
	}
	defer ruleset.Close()
	fd := int(ruleset.Attr().File.Fd())
	for script, works := range map[string]bool{
		"cat read/file": true, "ls read": true, "echo x >read/file": false, "rm read/file": false, "echo x >read/new": false,
		"cat secret/file": false, "ls secret": false, "ls .": false,
		"echo x >write/file": true, "echo x >write/new && mv write/new write/other && rm write/other": true,
		"mkdir write/dir && rmdir write/dir": true, "mkfifo write/fifo && ln -s x write/link && rm write/fifo write/link": true,
		"cat write/file": false, "ls write": false, "echo x >/dev/null": true, "cat /dev/null": false,
	} {
		for _, l := range []attr.Landlock{ruleset.Attr(), {FD: attr.FD(fd)}} {
			s := spawntest.Shell("exec 2>/dev/null; "+script, attr.NoNewPrivs{}, l)
			s.Actions.Chdir(dir)
			if _, state, err := spawntest.TryOutput(s); err != nil || state.Success() != works {
				return fmt.Errorf("%s: %v, %w", script, state, err)
			}
		}
	}
	_, err = os.ReadFile(in("secret/file"))
	return err
}

func TestLandlock(t *testing.T) {
	if !spawntest.HasLandlock() {
		testenv.Skip(t, "no Landlock")
	}
	spawntest.EachEngine(t, func(t *testing.T) {
		if err := restricted(t.TempDir()); err != nil {
			t.Error(err)
		}
	})
}

func init() {
	spawntest.Unprivileged("landlock", func(dir string) error {
		if !spawntest.HasLandlock() {
			return nil
		}
		return restricted(dir)
	})
}

// TestLandlockAfterFiles has file actions that the rules would not allow, and the
// ruleset on numbers that the actions take from it.
func TestLandlockAfterFiles(t *testing.T) {
	ruleset := spawntest.NewRuleset(t, attr.LandlockRules{Execute: spawntest.System(), Read: []string{"/proc"}, Write: []string{"/dev/null"}})
	dir := t.TempDir()
	secret, made := testenv.Write(t, filepath.Join(dir, "secret"), "told", 0o600), filepath.Join(dir, "made")
	low := ruleset.Attr().File
	n, err := unix.FcntlInt(low.Fd(), unix.F_DUPFD_CLOEXEC, 300)
	if err != nil {
		t.Fatal(err)
	}
	high := os.NewFile(uintptr(n), "high")
	defer high.Close()
	spawntest.EachEngine(t, func(t *testing.T) {
		for name, change := range map[string]func(a *spawn.FileActions, fd int){
			"plain":  func(*spawn.FileActions, int) {},
			"taken":  func(a *spawn.FileActions, fd int) { a.Open(fd, "/dev/null", os.O_RDONLY, 0) },
			"closed": func(a *spawn.FileActions, fd int) { a.Close(fd) },
			"from":   func(a *spawn.FileActions, _ int) { a.CloseFrom(6) },
			"all":    func(a *spawn.FileActions, _ int) { a.InheritAll() },
			"all but": func(a *spawn.FileActions, fd int) {
				a.InheritAll()
				a.Open(fd, "/dev/null", os.O_RDONLY, 0)
				a.CloseFrom(6)
			},
		} {
			for _, f := range []*os.File{low, high} {
				s := spawntest.Shell("cat <&5; ls -l /proc/self/fd; cat "+secret+" 2>/dev/null", attr.NoNewPrivs{}, attr.Landlock{File: f})
				s.Actions.Chdir(dir)
				change(&s.Actions, int(f.Fd()))
				s.Actions.Open(5, "secret", os.O_RDONLY, 0)
				s.Actions.Open(4, made, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
				out, _, err := spawntest.TryOutput(s)
				if err != nil || strings.Count(out, "told") != 1 || strings.Contains(out, "landlock") {
					t.Errorf("%s, %s: %v, %q", name, f.Name(), err, out)
				}
				if err := os.Remove(made); err != nil {
					t.Error(err)
				}
			}
		}
		s := spawntest.Shell("ls -l /proc/self/fd", attr.NoNewPrivs{}, ruleset.Attr())
		s.Actions.Inherit(int(low.Fd()))
		if out := spawntest.Output(t, s); !strings.Contains(out, "landlock") {
			t.Errorf("not inherited: %q", out)
		}
	})
}

func TestLandlockFaults(t *testing.T) {
	ruleset := spawntest.NewRuleset(t, attr.LandlockRules{Read: []string{"/"}})
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	with := func(l attr.Landlock) *spawn.Spec { return spawntest.Cat(t, l, attr.NoNewPrivs{}) }
	badFlags := ruleset.Attr()
	badFlags.Flags = 1 << 31
	forbidden := with(ruleset.Attr())
	spawntest.Try(t, []spawntest.Fault{
		{Name: "no ruleset", Spec: with(attr.Landlock{File: null}), Want: spawntest.Fails("landlock", 0, "/dev/null", unix.EBADFD)},
		{Name: "not open", Spec: with(attr.Landlock{FD: attr.FD(987)}), Want: spawntest.Fails("landlock", 0, "descriptor 987", unix.EBADF)},
		{Name: "flags", Spec: with(badFlags), Want: spawntest.Fails("landlock", 0, "landlock-ruleset", unix.EINVAL)},
		{Name: "program", Spec: forbidden, Want: spawntest.Fails("execve", -1, forbidden.Path, unix.EACCES)},
	})
}

func TestClosedRuleset(t *testing.T) {
	ruleset := spawntest.NewRuleset(t, attr.LandlockRules{Execute: []string{"/"}})
	file := ruleset.Attr().File
	n, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(n), "a ruleset")
	s := spawntest.Exits(t, 7)
	s.Attr = attr.List{attr.NoNewPrivs{}, attr.Landlock{File: f}}
	p, err := spawn.Compile(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	closed := func(_ any, err error) {
		t.Helper()
		var e *spawn.Error
		if !errors.As(err, &e) || e.Step != "landlock" || e.Index != 1 || !errors.Is(err, os.ErrClosed) {
			t.Errorf("%#v", err)
		}
	}
	closed(p.Start(context.Background()))
	closed(spawn.Compile(s))
}

// TestRulesFaults wants no descriptor left behind.
func TestRulesFaults(t *testing.T) {
	testenv.NeedCall(t, "Landlock", unix.SYS_LANDLOCK_CREATE_RULESET)
	before := testenv.Settled()
	missing := filepath.Join(t.TempDir(), "missing")
	for _, c := range []struct {
		rules attr.LandlockRules
		want  error
	}{
		{attr.LandlockRules{Read: []string{"/", missing}, BestEffort: true}, fs.ErrNotExist},
		{attr.LandlockRules{Execute: []string{""}, BestEffort: true}, fs.ErrNotExist},
		{attr.LandlockRules{Write: []string{"a\x00b"}, BestEffort: true}, unix.EINVAL},
		{attr.LandlockRules{AnyTCP: true, TCPBind: []uint16{1}}, unix.EINVAL},
		{attr.LandlockRules{NoUDP: true, UDPBind: []uint16{1}, BestEffort: true}, unix.EINVAL},
		{attr.LandlockRules{NoUDP: true, UDPConnect: []uint16{1}, BestEffort: true}, unix.EINVAL},
		{attr.LandlockRules{NoPathnameUnix: true, PathnameUnix: []string{"/"}, BestEffort: true}, unix.EINVAL},
		{attr.LandlockRules{Quiet: []string{"/"}, BestEffort: true}, unix.EINVAL},
	} {
		if !spawntest.HasLandlock() && !errors.Is(c.want, unix.EINVAL) {
			continue
		}
		if r, err := attr.NewLandlock(c.rules); r != nil || !errors.Is(err, c.want) {
			t.Errorf("%+v: %v", c.rules, err)
		}
	}
	testenv.CheckFDs(t, before)
}

// reach connects or listens; refused is the status when Landlock does not let it.
var _ = testenv.RegisterHelper("reach", func(args []string) int {
	var err error
	if args[0] == "listen" {
		var tcp net.ListenConfig
		tcp.SetMultipathTCP(false) // Landlock knows nothing of it
		_, err = tcp.Listen(context.Background(), args[1], args[2])
	} else {
		_, err = net.Dial(args[1], args[2])
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return refused
	}
	fmt.Println(err)
	return 1
})

const refused = 77

// TestLandlockSockets is about TCP, and abstract Unix sockets.
func TestLandlockSockets(t *testing.T) {
	needVersion(t, 6)
	var ports []uint16
	var addrs []string
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, uint16(l.Addr().(*net.TCPAddr).Port))
		addrs = append(addrs, l.Addr().String())
	}
	abstract := fmt.Sprintf("@spawn-test-%d", os.Getpid())
	l, err := net.Listen("unix", abstract)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	all := []string{"/"}
	narrow := attr.LandlockRules{Read: all, Write: all, Execute: all, TCPConnect: ports[:1], NoAbstractUnix: true}
	ephemeral := attr.LandlockRules{Read: all, Write: all, Execute: all, TCPBind: []uint16{0}}
	anyTCP := attr.LandlockRules{Read: all, Write: all, Execute: all, AnyTCP: true}
	for _, c := range []struct {
		rules  attr.LandlockRules
		args   []string
		status int
	}{
		{narrow, []string{"dial", "tcp", addrs[0]}, 0},
		{narrow, []string{"dial", "tcp", addrs[1]}, refused},
		{narrow, []string{"listen", "tcp", "127.0.0.1:0"}, refused},
		{narrow, []string{"dial", "unix", abstract}, refused},
		{ephemeral, []string{"listen", "tcp", "127.0.0.1:0"}, 0},
		{ephemeral, []string{"dial", "tcp", addrs[0]}, refused},
		{ephemeral, []string{"dial", "unix", abstract}, 0},
		{anyTCP, []string{"dial", "tcp", addrs[1]}, 0},
		{anyTCP, []string{"listen", "tcp", "127.0.0.1:0"}, 0},
	} {
		s := spawntest.Helper(t, "reach", c.args...)
		s.Attr = attr.List{attr.NoNewPrivs{}, spawntest.NewRuleset(t, c.rules).Attr()}
		if out, state, err := spawntest.TryOutput(s); err != nil || state.ExitCode() != c.status {
			t.Errorf("%v: %v, %v, %s; want %d", c.args, state, err, out, c.status)
		}
	}
}

func TestLandlockSignals(t *testing.T) {
	needVersion(t, 6)
	for _, refuse := range []bool{false, true} {
		ruleset := spawntest.NewRuleset(t, attr.LandlockRules{Execute: []string{"/"}, Write: []string{"/dev/null"}, NoSignals: refuse})
		s := spawntest.Shell("kill -0 $PPID 2>/dev/null", attr.NoNewPrivs{}, ruleset.Attr())
		if _, state, err := spawntest.TryOutput(s); err != nil || state.Success() == refuse {
			t.Errorf("NoSignals %v: %v, %v", refuse, state, err)
		}
	}
}
