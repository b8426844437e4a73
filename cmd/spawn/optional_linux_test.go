package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/attrlist"
	"github.com/safespawn/spawn/internal/testenv"
)

// neverOptional reports whether an attribute must not be optional.
func neverOptional(a attr.Attr) bool {
	_, err := spawn.Compile(&spawn.Spec{Path: "/bin/true", Attr: attr.List{attr.Optional(a)}})
	var failed *spawn.Error
	var need *attr.NeedError
	return errors.As(err, &failed) && failed.Step == spawn.StepAttr && failed.Object == attrName(a) && !errors.As(err, &need)
}

// TestMayLack wants --optional for the flags of those attributes alone that may be optional.
func TestMayLack(t *testing.T) {
	if !hasEngine() {
		testenv.Skip(t, "needs the engine")
	}
	lines := append(everyFlag(t), []string{"--sched", "idle"}, []string{"--landlock", "--landlock-best-effort"})
	for _, line := range lines {
		o, _, err := parse(append(line, "true"))
		if err != nil {
			t.Fatal(err)
		}
		list, err := o.attributes()
		o.close()
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range list {
			a, _ := attrlist.Optional(a)
			name := attrName(a)
			part := name == "SchedPolicy" && o.util != nil || name == "Landlock" && o.otherFiles() // see checkOptional
			may := slices.ContainsFunc(flagsOf[name], func(f string) bool { return slices.Contains(mayLack, f) })
			if !part && may == neverOptional(a) {
				t.Errorf("attr.%s: its flags may be optional: %t", name, may)
			}
		}
	}
}

// needOptional skips a test where only the engine has what is optional: elsewhere the program
// always runs without.
func needOptional(t *testing.T) {
	t.Helper()
	if hasEngine() {
		return
	}
	r := try(t, "--nice", "19", "--optional", "nice", "echo", "ran")
	if r.status != 0 || r.out != "ran\n" || !strings.Contains(r.errOut, "spawn: goes on without it: --nice") {
		t.Errorf("%+v", r)
	}
	testenv.Skip(t, "needs the engine")
}

// TestOptional wants a program without privilege to run without what needs some, and with
// the rest.
func TestOptional(t *testing.T) {
	needOptional(t)
	cmd := spawnCmd(t, "--status-fd", "5", "--nice", "-5", "--rlimit", "core=0", "--oom-score-adj", "500", "--optional", "nice,rlimit",
		"--optional", "oom-score-adj", "sh", "-c", "ulimit -c; cat /proc/self/oom_score_adj; nice >&2")
	asUser(t, cmd, nobody(t))
	now := must(t, "nice")
	r, list := toldBy(t, cmd)
	if r.status != 0 || r.out != "0\n500\n" || len(list) != 2 || len(list[0].Lacks) != 1 {
		t.Fatalf("%+v, %+v", r, list)
	}
	l := list[0].Lacks[0]
	if !slices.Equal(l.Flags, []string{"--nice"}) || l.Step != "nice" || l.Errno != int(syscall.EACCES) && l.Errno != int(syscall.EPERM) {
		t.Errorf("%+v", l)
	}
	if want := "spawn: goes on without it: " + l.Error + "\n"; !strings.Contains(r.errOut, want) || strings.Replace(r.errOut, want, "", 1) != now {
		t.Errorf("standard error: %q", r.errOut)
	}
	// Nothing is said of what could be set, nor of what was not optional.
	must(t, "--nice", "19", "--optional", "nice", "true")
	if r := unprivileged(t, nobody(t), "--nice", "-5", "--umask", "0", "--optional", "nice", "--chdir", "/nonexistent", "true"); r.status != statusError || strings.Contains(r.errOut, "without") {
		t.Errorf("%+v", r)
	}
}

// TestOptionalBeforeItRuns wants it to be said before the program runs, where that is stopped.
func TestOptionalBeforeItRuns(t *testing.T) {
	needOptional(t)
	needStopped(t)
	cmd := spawnCmd(t, "--stopped", "--nice", "-5", "--optional", "nice", "true")
	asUser(t, cmd, nobody(t))
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	awaitStopped(t, cmd.Process.Pid)
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil || strings.Index(errOut.String(), "without --nice") > strings.Index(errOut.String(), "is stopped") {
		t.Errorf("%v: %s", err, errOut.String())
	}
}

// TestOptionalSandbox has kernels without Landlock, and filters that are refused.
func TestOptionalSandbox(t *testing.T) {
	needEngine(t, "--no-new-privs", "--allow-exec", "/", "--landlock-best-effort", "--optional", "landlock")
	code, err := binary.Append(nil, binary.NativeEndian, []attr.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_LANDLOCK_CREATE_RULESET},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	})
	if err != nil {
		t.Fatal(err)
	}
	without := []string{"--no-new-privs", "--seccomp", writeFile(t, filepath.Join(t.TempDir(), "filter"), string(code), 0o644), spawnLink(t)}
	for _, flags := range [][]string{
		{"--no-new-privs", "--allow-exec", "/", "--optional", "landlock"},
		{"--no-new-privs", "--landlock", "--landlock-best-effort", "--optional", "landlock"},
	} {
		r := try(t, append(append(slices.Clone(without), flags...), "echo", "ran")...)
		if r.status != 0 || r.out != "ran\n" || !strings.Contains(r.errOut, "spawn: goes on without it: --") {
			t.Errorf("%q: %+v", flags, r)
		}
	}
	fails(t, statusError, append(slices.Clone(without), "--no-new-privs", "--allow-exec", "/", "true")...)
	// A flag that is not given; and where there is Landlock, what needs --no-new-privs, and rests on it.
	bad := [][]string{{"--no-new-privs", "--landlock", "--optional", "landlock,no-new-privs", "--optional", "nice"}}
	if spawn.Features().Has(spawn.FeatureLandlock) {
		bad = append(bad, []string{"--landlock", "--landlock-best-effort", "--optional", "landlock"},
			[]string{"--no-new-privs", "--landlock", "--landlock-best-effort", "--optional", "no-new-privs"})
	}
	for _, c := range bad {
		if got := fails(t, statusError, append(c, "true")...); strings.Contains(got, "attr.") {
			t.Errorf("%q: %s", c, got)
		}
	}
}

// TestOptionalInReference wants the reference to list the flags.
func TestOptionalInReference(t *testing.T) {
	_, after, _ := strings.Cut(helpAfter, "\nOptional flags. ")
	paragraph, _, _ := strings.Cut(after, "\n\n")
	words := strings.FieldsFunc(paragraph, func(c rune) bool { return c != '-' && (c < 'a' || c > 'z') })
	for _, name := range mayLack {
		if !slices.Contains(words, name) {
			t.Errorf("no %s in %q", name, paragraph)
		}
	}
}

// TestExplainOptional wants the steps and the attributes marked.
func TestExplainOptional(t *testing.T) {
	needOptional(t)
	list := decoded[explanation](t, must(t, "--explain=json", "--nice", "1", "--umask", "0", "--optional", "nice", "true"))
	for _, a := range list[0].Attributes {
		if a.Optional != (a.Name == "Nice") {
			t.Errorf("%+v", a)
		}
	}
	for _, s := range list[0].Steps {
		if s.MayFail != (s.Step == "nice") {
			t.Errorf("%+v", s)
		}
	}
}
