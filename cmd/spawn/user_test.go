//go:build unix

package main

import (
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
)

const showIDs = "id -u; id -g; id -G"

// nobody is a user without privilege.
func nobody(t *testing.T) *user.User {
	t.Helper()
	u, err := user.Lookup("nobody")
	if err != nil || u.Uid == "0" {
		testenv.Skip(t, "no user nobody")
	}
	return u
}

func TestUserAsRoot(t *testing.T) {
	testenv.NeedRoot(t)
	u := nobody(t)
	groups, err := u.GroupIds()
	if err != nil {
		t.Fatal(err)
	}
	own := u.Uid + "\n" + u.Gid + "\n" + strings.Join(groups, " ") + "\n"
	for value, want := range map[string]string{
		"nobody":      own,
		u.Uid:         own,
		"nobody:1234": u.Uid + "\n1234\n1234\n",
		"1235:root":   "1235\n0\n0\n",
		"1235:1236":   "1235\n1236\n1236\n",
		"root:root":   "0\n0\n0\n",
	} {
		if got := must(t, "--user", value, "sh", "-c", showIDs); got != want {
			t.Errorf("%s: got %q, want %q", value, got, want)
		}
	}
	fails(t, statusError, "--user", "1235", "true") // which group?
	// The user opens the files.
	secret := writeFile(t, filepath.Join(t.TempDir(), "secret"), "x", 0o600)
	if hasEngine() {
		fails(t, statusError, "--user", "nobody", "--stdin", secret, "true")
	}
}

func TestUserWithoutPrivilege(t *testing.T) {
	u := nobody(t)
	if os.Geteuid() != 0 {
		current, err := user.Current()
		if err != nil {
			testenv.Skip(t, "the current user has no name")
		}
		u = current
	}
	groups := unprivileged(t, u, "sh", "-c", showIDs)
	for _, value := range []string{u.Username, u.Uid, u.Username + ":" + u.Gid} {
		if got := unprivileged(t, u, "--user", value, "sh", "-c", showIDs); got != groups {
			t.Errorf("--user %s: got %+v, want %+v", value, got, groups)
		}
	}
	want := statusError
	if !hasEngine() {
		want = statusNotRun // package os does not tell which step has failed
	}
	for _, value := range []string{"root", "1235:1236", u.Username + ":1236"} {
		if got := unprivileged(t, u, "--user", value, "true"); got.status != want {
			t.Errorf("--user %s: %+v", value, got)
		}
	}
}

// unprivileged runs spawn as a user, who needs a copy of it that he can read.
func unprivileged(t *testing.T, u *user.User, args ...string) result {
	t.Helper()
	cmd := spawnCmd(t, args...)
	asUser(t, cmd, u)
	return finish(t, cmd)
}

// asUser makes it a user's command; where that is not the one of the tests.
func asUser(t *testing.T, cmd *exec.Cmd, u *user.User) {
	t.Helper()
	cmd.Dir = "/" // the one it has is the tests' alone
	if os.Geteuid() == 0 {
		uid, _ := attr.ParseID(u.Uid)
		gid, _ := attr.ParseID(u.Gid)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid, Groups: []uint32{gid, 4321}}}
		cmd.Path = publicCopy(t)
	}
}

func publicCopy(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "spawn")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	from, err := os.Open(testenv.Self(t))
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := os.OpenFile(filepath.Join(dir, "spawn"), os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(to, from)
	if cerr := to.Close(); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
	return to.Name()
}
