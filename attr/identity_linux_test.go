//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package attr_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
	"github.com/safespawn/spawn/lookup"
)

// noBusybox skips what busybox does otherwise: it gives up a set-user-ID
// privilege, and has fewer options.
func noBusybox(t *testing.T) {
	t.Helper()
	for _, tool := range []string{"cat", "id"} {
		path, err := exec.LookPath(tool)
		if err == nil {
			path, err = filepath.EvalSymlinks(path)
		}
		if err != nil || filepath.Base(path) == "busybox" {
			testenv.Skip(t, "needs "+tool+" other than busybox's")
		}
	}
}

func TestIDs(t *testing.T) {
	testenv.NeedRoot(t)
	noBusybox(t)
	const keep = attr.KeepID
	before := testenv.StatusOf(t, "thread-self")
	spawntest.EachEngine(t, func(t *testing.T) {
		for _, c := range []struct {
			a                attr.IDs
			uid, gid, groups string
		}{
			{attr.IDs{RUID: 1, EUID: 2, RGID: 3, EGID: 4, Groups: []uint32{7, 5}}, "1\t2\t2\t2", "3\t4\t4\t4", "5 7"},
			{attr.IDs{RUID: keep, EUID: 2, RGID: 3, EGID: keep}, "0\t2\t2\t2", "3\t0\t0\t0", ""},
			{attr.IDs{RUID: 1, EUID: keep, RGID: keep, EGID: 1<<32 - 2}, "1\t0\t0\t0", "0\t4294967294\t4294967294\t4294967294", ""},
			{attr.IDs{RUID: keep, EUID: keep, RGID: keep, EGID: keep, KeepGroups: true}, "0\t0\t0\t0", "0\t0\t0\t0", before.Status["Groups"]},
		} {
			s := spawntest.SeenWith(t, c.a).Status
			if s["Uid"] != c.uid || s["Gid"] != c.gid || s["Groups"] != c.groups {
				t.Errorf("%+v: %q, %q, %q", c.a, s["Uid"], s["Gid"], s["Groups"])
			}
		}
	})
	now := testenv.StatusOf(t, "thread-self").Status
	for _, key := range []string{"Uid", "Gid", "Groups", "CapEff"} {
		if now[key] != before.Status[key] {
			t.Errorf("%s of this process: %q, was %q", key, now[key], before.Status[key])
		}
	}
}

// TestLookupCredential compares with id(1), and wants its output inside to be the same.
func TestLookupCredential(t *testing.T) {
	testenv.NeedRoot(t)
	noBusybox(t)
	names := []string{"nobody", "65534", "daemon", "root"}
	if member := groupMember(); member != "" {
		names = append(names, member)
	}
	for _, name := range names {
		cr, err := lookup.Credential(name)
		if err != nil {
			t.Fatal(err)
		}
		want, err := exec.Command("id", "-G", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		spawntest.EachEngine(t, func(t *testing.T) {
			if got := spawntest.Output(t, spawntest.Shell("id -G", cr)); !sameFields(got, string(want)) {
				t.Errorf("%s: groups %s, want %s", name, got, want)
			}
		})
		u, err := user.Lookup(name)
		if err == nil && u.Uid != fmt.Sprint(cr.UID) {
			t.Errorf("%s: uid %d", name, cr.UID)
		}
	}
	for name, want := range map[string]attr.Credential{
		"nobody:daemon": {UID: testenv.Nobody, GID: 1, Groups: []uint32{1}},
		"nobody:4321":   {UID: testenv.Nobody, GID: 4321, Groups: []uint32{4321}},
		"54321:4321":    {UID: 54321, GID: 4321, Groups: []uint32{4321}},
	} {
		if got, err := lookup.Credential(name); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	env, err := lookup.Env("nobody")
	if want := []string{"HOME=/nonexistent", "USER=nobody", "LOGNAME=nobody", "SHELL=/usr/sbin/nologin"}; err != nil || !slices.Equal(env, want) {
		if line, _ := exec.Command("grep", "^nobody:", "/etc/passwd").Output(); strings.HasSuffix(string(line), ":/nonexistent:/usr/sbin/nologin\n") {
			t.Errorf("%q, %v", env, err)
		}
	}
}

// groupMember is a user who has a supplementary group.
func groupMember() string {
	text, _ := os.ReadFile("/etc/group")
	for line := range strings.Lines(string(text)) {
		entry := strings.Split(strings.TrimSpace(line), ":")
		if len(entry) != 4 || entry[3] == "" {
			continue
		}
		name, _, _ := strings.Cut(entry[3], ",")
		if _, err := user.Lookup(name); err == nil {
			return name
		}
	}
	return ""
}

func sameFields(a, b string) bool {
	x, y := strings.Fields(a), strings.Fields(b)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

func TestPersonality(t *testing.T) {
	own := func() string {
		text, err := os.ReadFile("/proc/thread-self/personality")
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	before, want := own(), testenv.PersonalityFile(t, uint64(attr.PersonalityNoASLR))
	spawntest.EachEngine(t, func(t *testing.T) {
		if got := spawntest.Output(t, spawntest.Shell("cat /proc/self/personality", attr.PersonalityNoASLR)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		maps := func() string {
			return spawntest.Output(t, &spawn.Spec{Path: "/bin/cat", Args: []string{"cat", "/proc/self/maps"}, Attr: attr.List{attr.PersonalityNoASLR}})
		}
		if a, b := maps(), maps(); a != b {
			t.Errorf("addresses differ:\n%s\n%s", a, b)
		}
	})
	if now := own(); now != before {
		t.Errorf("personality of this process %q, was %q", now, before)
	}
}

// TestChildSubreaper has a shell whose grandchild loses its parent.
func TestChildSubreaper(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		s := spawntest.Shell(`p=$(sh -c '(sleep 60 >/dev/null 2>&1 & echo $!)'); ppid=$(awk '/^PPid/ {print $2}' /proc/$p/status); kill $p; [ $ppid = $$ ]`, attr.ChildSubreaper{})
		if out, state, err := spawntest.TryOutput(s); err != nil || !state.Success() {
			t.Errorf("%v, %v: %s", state, err, out)
		}
		s.Attr = nil
		if _, state, err := spawntest.TryOutput(s); err != nil || state.Success() {
			t.Errorf("without: %v, %v", state, err)
		}
	})
}

var _ = testenv.RegisterHelper("keyring", func([]string) int {
	id, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	text, err := unix.KeyctlString(unix.KEYCTL_DESCRIBE, id)
	fmt.Println(id, text, err)
	return 0
})

func TestSessionKeyring(t *testing.T) {
	own := func() int {
		id, _ := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
		return id
	}
	_, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
	s := spawntest.Helper(t, "keyring")
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		s.Attr = attr.List{attr.Umask(0), attr.SessionKeyring("spawn-test")}
		_, err := spawn.Start(context.Background(), s)
		spawntest.CheckFault(t, err, spawntest.Fails("keyring", 1, "spawn-test", unix.ENOSYS, unix.EPERM))
		testenv.Skip(t, "no keyrings")
	}
	before := own()
	spawntest.EachEngine(t, func(t *testing.T) {
		for name, want := range map[string]string{"": ";_ses", "spawn-test": ";spawn-test"} {
			s.Attr = attr.List{attr.SessionKeyring(name)}
			got := spawntest.Output(t, s)
			if !strings.Contains(got, want+" ") || strings.HasPrefix(got, fmt.Sprint(before, " ")) {
				t.Errorf("%q: %q, here %d", name, got, before)
			}
		}
		s.Attr = attr.List{attr.Umask(0), attr.SessionKeyring(".spawn")}
		_, err := spawn.Start(context.Background(), s)
		spawntest.CheckFault(t, err, spawntest.Fails("keyring", 1, ".spawn", unix.EPERM))
	})
	if now := own(); now != before {
		t.Errorf("session keyring of this process %d, was %d", now, before)
	}
}

func init() {
	spawntest.Unprivileged("own user", ownUser)
}

// ownUser wants lookup.Credential of the user who this process is already to need no privilege,
// and ids that are others' to be refused.
func ownUser(string) error {
	cr, err := lookup.Credential(fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid()))
	if err != nil {
		return err
	}
	uid := uint32(os.Getuid())
	other := attr.IDs{RUID: attr.KeepID, EUID: uid - 1, RGID: attr.KeepID, EGID: attr.KeepID, KeepGroups: true}
	object := fmt.Sprintf("real=kept effective=%d", uid-1)
	return spawntest.EachEngineError(func(string) error {
		if _, state, err := spawntest.TryOutput(spawntest.Shell(":", cr)); err != nil || !state.Success() {
			return fmt.Errorf("%+v: %v, %w", cr, state, err)
		}
		_, err := spawn.Start(context.Background(), spawntest.Shell(":", attr.Umask(0), other))
		if how := (spawntest.Fails("setresuid", 1, object, unix.EPERM)).Differs(err); how != "" {
			return fmt.Errorf("%w: %s", err, how)
		}
		return nil
	})
}
