//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
	"github.com/safespawn/spawn/internal/testenv/tiny"
)

// tracedSpec is a Spec whose child is recorded.
type tracedSpec struct {
	make  func(dir string) (*spawn.Spec, error)
	root  bool   // needs root
	copy  bool   // the child gets a copy of the table: InheritAll
	fail  bool   // the child does not get to execve
	waits bool   // its steps may take any time
	flags uint64 // more of clone
	inNew uint   // namespaces that it makes
	keys  bool   // needs keyrings
}

var tracedSpecs = map[string]tracedSpec{
	"plain":     {make: tracedPlain},
	"swap":      {make: tracedSwap},
	"actions":   {make: tracedActions, waits: true},
	"inherit":   {make: tracedInheritAll, waits: true, copy: true},
	"closed":    {make: tracedClosed},
	"failing":   {make: tracedFailing, waits: true, fail: true},
	"signals":   {make: tracedSignals},
	"session":   {make: tracedSession},
	"terminal":  {make: tracedTerminal},
	"limits":    {make: tracedLimits},
	"ids":       {make: tracedIDs, root: true}, // the child is hidden from other tracers
	"privilege": {make: tracedPrivilege, waits: true, root: true},
	"caps":      {make: tracedCapabilities, root: true, flags: unix.CLONE_NEWUTS, inNew: unix.CLONE_NEWUTS},
	"exact":     {make: tracedExact, root: true, keys: true},
	"unshare":   {make: tracedUnshare, waits: true, root: true, inNew: unix.CLONE_NEWNS | unix.CLONE_NEWUTS},
	"own map":   {make: tracedOwnMap, root: true, inNew: unix.CLONE_NEWUSER},
	"id map":    {make: tracedIDMap, waits: true, root: true, copy: true, flags: unix.CLONE_NEWUSER, inNew: unix.CLONE_NEWUSER},
	"death":     {make: tracedParentDeath},
	"sandbox":   {make: tracedSandbox, waits: true},
}

func tracedPlain(dir string) (*spawn.Spec, error) {
	return &spawn.Spec{Path: filepath.Join(dir, "tiny"), Args: []string{"tiny", "with an argument", ""}}, nil
}

func tracedSwap(dir string) (*spawn.Spec, error) {
	s, err := tracedPlain(dir)
	s.Actions.File(os.Stdin, 1)
	s.Actions.File(os.Stdout, 0)
	s.Actions.File(os.Stderr, 77)
	return s, err
}

func tracedActions(dir string) (*spawn.Spec, error) {
	s, err := tracedPlain(dir)
	a := &s.Actions
	a.Dup2(2, 10)
	a.Open(2, "/dev/null", os.O_WRONLY, 0)
	a.Open(20, dir, unix.O_DIRECTORY, 0)
	a.OpenAt(21, 20, "made", os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o640)
	if !testenv.Lacks(unix.SYS_OPENAT2) {
		a.OpenAt2(22, 20, "made", os.O_RDWR, 0, unix.RESOLVE_BENEATH)
	}
	a.Fchdir(20)
	a.Mkdir("dir", 0o700)
	a.Symlink("dir", "link")
	a.Chdir("/")
	a.Inherit(0)
	a.CloseFrom(21)
	a.Close(10)
	a.Dup2(20, 20)
	return s, err
}

func tracedInheritAll(dir string) (*spawn.Spec, error) {
	s, err := tracedSwap(dir)
	s.Actions.InheritAll()
	s.Actions.CloseFrom(60)
	return s, err
}

func tracedClosed(dir string) (*spawn.Spec, error) {
	unix.Close(2)
	return tracedPlain(dir)
}

func tracedFailing(dir string) (*spawn.Spec, error) {
	s, err := tracedPlain(dir)
	s.Actions.Open(5, filepath.Join(dir, "missing"), os.O_RDONLY, 0)
	s.Actions.Chdir("/")
	return s, err
}

func tracedSignals(dir string) (*spawn.Spec, error) {
	s, err := tracedPlain(dir)
	s.Attr = attr.List{
		attr.SigMask{unix.SIGUSR1}, attr.SigDefault{unix.SIGINT, unix.SIGTERM}, attr.SigIgnore{unix.SIGHUP},
	}
	return s, err
}

func tracedSession(dir string) (*spawn.Spec, error) {
	s, err := tracedPlain(dir)
	if err != nil {
		return nil, err
	}
	tty, err := openTerminal()
	if err != nil {
		return nil, err
	}
	s.Actions.File(tty, 0)
	s.Actions.Open(int(tty.Fd()), "/dev/null", os.O_RDONLY, 0)
	s.Attr = attr.List{attr.Setsid{}, attr.ControllingTTY{File: tty}, attr.SigIgnore{unix.SIGHUP}}
	return s, nil
}

// tracedTerminal makes this process a session leader with a terminal.
func tracedTerminal(dir string) (*spawn.Spec, error) {
	s, err := tracedPlain(dir)
	if err != nil {
		return nil, err
	}
	tty, err := openTerminal()
	if err != nil {
		return nil, err
	}
	if _, err := unix.Setsid(); err != nil {
		return nil, err
	}
	if err := unix.IoctlSetInt(int(tty.Fd()), unix.TIOCSCTTY, 0); err != nil {
		return nil, err
	}
	s.Actions.File(tty, 9)
	s.Actions.Tcsetpgrp(9)
	s.Attr = attr.List{attr.Setpgid{}}
	return s, nil
}

// terminalMaster keeps a terminal alive.
var terminalMaster *os.File

// openTerminal makes a terminal for the rest of this process's life.
func openTerminal() (tty *os.File, err error) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	terminalMaster = master
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, err
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return nil, err
	}
	return os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY, 0)
}

func tracedLimits(dir string) (*spawn.Spec, error) {
	s, err := tracedPlain(dir)
	s.Attr = attr.List{
		attr.Umask(0o077), attr.Rlimit{Resource: unix.RLIMIT_CORE}, attr.NoFile{Soft: 50, Hard: 60},
		attr.Nice(19), attr.NoNewPrivs{},
	}
	return s, err
}

func tracedIDs(dir string) (*spawn.Spec, error) {
	s, err := tracedPlain(dir)
	s.Attr = attr.List{attr.ResetIDs{}}
	return s, err
}

func tracedPrivilege(dir string) (*spawn.Spec, error) {
	s, err := tracedPlain(dir)
	s.Path = "/tiny"
	s.Attr = attr.List{
		attr.Chroot(dir), attr.Credential{UID: 65534, GID: 65533, Groups: []uint32{65532, 65531}}, attr.Umask(0o22),
	}
	return s, err
}

// tracedSteps is what a traced process says about itself and its program.
type tracedSteps struct {
	TID   int
	Steps []tracedStep
	Args  []string
	Err   string
}

type tracedStep struct{ spawn.Step }

// The helper compiles a Spec, says what the child is going to do, and does it
// when it is told to.
var _ = testenv.RegisterHelper("traced", func(args []string) int {
	runtime.LockOSThread()
	defer spawntest.Force(args[1])()
	info := tracedSteps{TID: unix.Gettid()}
	var prog *spawn.Program
	s, err := tracedSpecs[args[2]].make(args[0])
	if err == nil {
		prog, err = spawn.Compile(s)
	}
	if err != nil {
		info.Err = err.Error()
	} else {
		info.Args = s.Args
		for _, step := range prog.Steps() {
			if !step.Parent {
				info.Steps = append(info.Steps, tracedStep{step})
			}
		}
	}
	if werr := json.NewEncoder(os.Stdout).Encode(info); err != nil || werr != nil {
		return 2
	}
	// It must be this thread that waits, not the poller.
	if err := unix.SetNonblock(0, false); err != nil {
		return 2
	}
	if n, _ := syscall.Read(0, make([]byte, 1)); n != 1 {
		return 3 // not to be traced
	}
	state, err := prog.Run(context.Background())
	runtime.KeepAlive(s)
	switch {
	case tracedSpecs[args[2]].fail && errors.Is(err, fs.ErrNotExist):
		return 0
	case err != nil || !state.Success():
		fmt.Fprintln(os.Stderr, "traced child:", state, err)
		return 1
	}
	return 0
})

// record runs the helper and records the child of its program.
func record(t *testing.T, dir, engine, name string) (*recording, *tracedSteps) {
	t.Helper()
	in, goOn, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer goOn.Close()
	out, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	s := spawntest.Helper(t, "traced", dir, engine, name)
	s.Actions.File(in, 0)
	s.Actions.File(w, 1)
	p, err := spawn.Start(context.Background(), s)
	in.Close()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.Kill()
		_, _ = p.Wait(context.Background())
	})
	var info tracedSteps
	if err := json.NewDecoder(out).Decode(&info); err != nil {
		t.Fatal(err)
	}
	if info.Err != "" {
		t.Fatal(info.Err)
	}
	rec, err := traceChild(p.Pid(), info.TID, func() {
		if _, err := goOn.Write([]byte{1}); err != nil {
			t.Error(err)
		}
	})
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) {
		testenv.Skip(t, "ptrace is refused here")
	}
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, out)
	if state, err := p.Wait(context.Background()); err != nil || !state.Success() {
		t.Errorf("traced process: %v, %v", state, err)
	}
	return rec, &info
}

// TestChildDoesWhatStepsSay records the system calls of real children between
// clone and execve, and compares them with Program.Steps.
func TestChildDoesWhatStepsSay(t *testing.T) {
	for _, engine := range spawntest.Chosen(t.Name()) {
		for _, name := range slices.Sorted(maps.Keys(tracedSpecs)) {
			t.Run("without "+engine+"/"+name, func(t *testing.T) {
				spec := tracedSpecs[name]
				spec.need(t)
				rec, info := record(t, tracedDir(t), engine, name)
				checkClone(t, rec, engine, spec)
				calls := rec.calls
				if spec.fail {
					calls = checkFailure(t, rec, engine)
				} else if !rec.execed {
					t.Error("the child did not run the program")
				}
				if n := matchSteps(info.Steps, calls, spec.fail); n < len(calls) || n < 0 {
					t.Errorf("call %d is not what Steps says\n%s", n, describe(info.Steps, rec.calls))
				}
				checkArgv(t, rec, info, spec)
			})
		}
	}
}

// tracedDir has a program, for everybody.
func tracedDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := tiny.Write(filepath.Join(dir, "tiny"), 0); err != nil {
		t.Fatal(err)
	}
	return dir
}

// checkClone looks at how the child was made.
func checkClone(t *testing.T, rec *recording, engine string, spec tracedSpec) {
	t.Helper()
	defer spawntest.Force(engine)()
	has := spawn.Features().Has
	nr, want := uint64(unix.SYS_CLONE), spec.flags
	if has("clone3") {
		nr = unix.SYS_CLONE3
		want |= unix.CLONE_CLEAR_SIGHAND
	} else {
		want |= uint64(unix.SIGCHLD)
	}
	shared := has("shared_memory") && !spec.waits || spawntest.LendsMemory()
	switch {
	case shared && spec.waits:
		want |= unix.CLONE_VM | unix.CLONE_CHILD_CLEARTID
	case shared:
		want |= unix.CLONE_VM | unix.CLONE_VFORK
	}
	if has("pidfd") {
		want |= unix.CLONE_PIDFD
		if !has("clone3") && want&unix.CLONE_VFORK != 0 {
			want |= unix.CLONE_CHILD_SETTID
		}
	}
	if has("close_range") && shared && !spec.copy {
		want |= unix.CLONE_FILES
	}
	if got := rec.flags &^ unix.CLONE_PARENT_SETTID; rec.clone.nr != nr || got != want {
		t.Errorf("clone: call %d with flags %#x, want call %d with %#x", rec.clone.nr, got, nr, want)
	}
	shares := rec.flags&unix.CLONE_FILES != 0
	unshares := len(rec.calls) > 0 && rec.calls[0].nr == unix.SYS_CLOSE_RANGE && rec.calls[0].args[2] == unix.CLOSE_RANGE_UNSHARE
	if shares != unshares {
		t.Errorf("table shared: %v; first call unshares it: %v", shares, unshares)
	}
}

// checkFailure looks at how a child ends that fails, and returns what it did
// before.
func checkFailure(t *testing.T, rec *recording, engine string) []systemCall {
	t.Helper()
	calls := rec.calls
	if n := len(calls); n == 0 || rec.execed || calls[n-1].nr != unix.SYS_EXIT_GROUP || calls[n-1].args[0] != 127 {
		t.Fatalf("the child did not end with exit_group(127): %+v", calls)
	}
	calls = calls[:len(calls)-1]
	defer spawntest.Force(engine)()
	if !spawntest.LendsMemory() {
		n := len(calls) - 1
		if n < 0 || calls[n].nr != unix.SYS_WRITE {
			t.Fatalf("the child did not write a failure record: %+v", calls)
		}
		calls = calls[:n]
	}
	if n := len(calls); n == 0 || calls[n-1].nr != unix.SYS_OPENAT {
		t.Errorf("the child failed elsewhere: %+v", calls)
	}
	return calls
}

func checkArgv(t *testing.T, rec *recording, info *tracedSteps, spec tracedSpec) {
	t.Helper()
	execs := 0
	for _, c := range rec.calls {
		if c.nr != unix.SYS_EXECVE {
			continue
		}
		execs++
		if !slices.Equal(c.argv, info.Args) {
			t.Errorf("execve with %q, want %q", c.argv, info.Args)
		}
	}
	if want := 1; execs != want && !spec.fail || execs > 0 && spec.fail {
		t.Errorf("%d calls of execve", execs)
	}
}

// matchSteps returns how many calls are explained by the steps: all of them when
// the child did what they say. Steps may be left over only where the child has
// failed, -1 says that there are others.
func matchSteps(steps []tracedStep, calls []systemCall, failed bool) int {
	explained := 0
	var match func(s, c, repeat int) bool
	match = func(s, c, repeat int) bool {
		explained = max(explained, c)
		if s == len(steps) {
			return c == len(calls)
		}
		if c == len(calls) && failed {
			return true
		}
		step := &steps[s]
		if c < len(calls) && step.matches(&calls[c], repeat) {
			if step.Repeated && match(s, c+1, repeat+1) || match(s+1, c+1, 0) {
				return true
			}
		}
		return (step.Optional || repeat > 0) && match(s+1, c, 0)
	}
	if match(0, 0, 0) {
		return len(calls)
	}
	if explained == len(calls) {
		return -1
	}
	return explained
}

// matches reports whether a call is the step, for the repeat-th time.
func (s *tracedStep) matches(c *systemCall, repeat int) bool {
	if uint64(s.Number) != c.nr {
		return false
	}
	for i, a := range s.Args {
		want := a.Value
		if i == 0 && s.Repeated {
			want += uint64(repeat)
		}
		if a.Known && c.args[i] != uint64(uintptr(want)) {
			return false
		}
		if text, err := strconv.Unquote(a.Text); err == nil && c.texts[i] != text {
			return false
		}
	}
	return true
}

// describe shows both sides.
func describe(steps []tracedStep, calls []systemCall) string {
	var b strings.Builder
	for i, s := range steps {
		fmt.Fprintf(&b, "step %2d: %v, number %d", i, s.Step, s.Number)
		for _, a := range s.Args {
			fmt.Fprintf(&b, " %#x", a.Value)
		}
		b.WriteByte('\n')
	}
	for i, c := range calls {
		fmt.Fprintf(&b, "call %2d: number %d, %#x %q\n", i, c.nr, c.args, c.texts)
	}
	return b.String()
}
