//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package attr_test

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/handover"
	"github.com/safespawn/spawn/internal/raw"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
	"github.com/safespawn/spawn/internal/testenv/tiny"
)

func init() {
	testenv.OmitExample("Example_scheduling", func() string { return testenv.LacksCall("set_mempolicy", unix.SYS_SET_MEMPOLICY) })
	testenv.OmitExample("ExampleOptional", func() string { return testenv.LacksCall("ptrace", unix.SYS_PTRACE) })
}

// suspended is a Spec of a program that exits with a status once it is resumed.
func suspended(t testing.TB, status int, list ...attr.Attr) *spawn.Spec {
	t.Helper()
	needPtrace(t)
	path := testenv.Program(t, filepath.Join(testenv.PublicDir(t), "program"), status)
	return &spawn.Spec{Path: path, Attr: append(list, attr.StartSuspended{})}
}

// needPtrace skips what is traced on its way.
func needPtrace(t testing.TB) {
	t.Helper()
	testenv.NeedCall(t, "ptrace", unix.SYS_PTRACE)
}

// checkSuspended wants a child to be stopped before its first instruction.
func checkSuspended(t testing.TB, p *spawn.Process) {
	t.Helper()
	s := testenv.StatusOf(t, fmt.Sprint(p.Pid()))
	if s.Status["State"] != "T (stopped)" || s.Status["TracerPid"] != "0" {
		t.Errorf("state %q, traced by %q", s.Status["State"], s.Status["TracerPid"])
	}
	if os.Geteuid() != 0 && s.Status["Uid"] != testenv.StatusOf(t, "self").Status["Uid"] {
		return // nobody else may look
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", p.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	exe, err := elf.Open(fmt.Sprintf("/proc/%d/exe", p.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	defer exe.Close()
	if want := fmt.Sprintf(" %#x\n", exe.Entry); !strings.HasSuffix(string(text), want) {
		t.Errorf("at %q; the program begins at %s", text, want)
	}
}

// resume lets a child go on and wants it to exit with a status.
func resume(t testing.TB, p *spawn.Process, status int) {
	t.Helper()
	select {
	case <-p.Done():
		t.Error("has ended")
	default:
	}
	if err := p.Signal(unix.SIGCONT); err != nil {
		t.Error(err)
	}
	if state, err := p.Wait(context.Background()); err != nil || state.ExitCode() != status {
		t.Error(state, err)
	}
}

// suspendedWith are attributes that might get in the way, whether they are
// for root, and which namespaces are among them.
var suspendedWith = map[string]struct {
	root  bool
	flags uint
	list  attr.List
}{
	"nothing":             {false, 0, nil},
	"mask":                {false, 0, attr.List{attr.SigMask{unix.SIGTRAP, unix.SIGCONT, unix.SIGSTOP, unix.SIGINT}}},
	"ignored":             {false, 0, attr.List{attr.SigIgnore{unix.SIGTRAP, unix.SIGCONT}}},
	"session":             {false, 0, attr.List{attr.Setsid{}}},
	"parent-death signal": {false, 0, attr.List{attr.ParentDeathSignal(unix.SIGKILL)}},
	"filter":              {false, 0, attr.List{attr.NoNewPrivs{}, spawntest.Refuse(unix.EPERM, unix.SYS_PTRACE, unix.SYS_RT_SIGPROCMASK)}},
	"copied memory":       {false, 0, attr.List{attr.CoredumpFilter(0)}},
	"credential":          {true, 0, attr.List{attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody}}},
	"namespaces":          {true, unix.CLONE_NEWPID | unix.CLONE_NEWNS, attr.List{attr.Namespaces{Flags: unix.CLONE_NEWPID | unix.CLONE_NEWNS}}},
	"all": {true, unix.CLONE_NEWPID, attr.List{
		attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody}, attr.Namespaces{Flags: unix.CLONE_NEWPID},
		attr.ParentDeathSignal(unix.SIGKILL), attr.NoNewPrivs{}, attr.SigMask{unix.SIGTERM},
	}},
}

// TestStartSuspended wants the child to be stopped when Start returns, to run on
// SIGCONT, and nobody to be told of stops.
func TestStartSuspended(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		for name, with := range suspendedWith {
			if with.root && os.Geteuid() != 0 {
				continue
			}
			t.Run(name, func(t *testing.T) {
				if with.flags != 0 {
					spawntest.NeedNamespaces(t, with.flags)
				}
				p := spawntest.Start(t, suspended(t, 3, with.list...))
				checkSuspended(t, p)
				var info unix.Siginfo
				if err := unix.Waitid(unix.P_PID, p.Pid(), &info, unix.WSTOPPED|unix.WNOHANG, nil); err != nil || info.Signo != 0 {
					t.Errorf("stop reported: %+v, %v", info, err)
				}
				resume(t, p, 3)
			})
		}
	})
}

// TestSuspendedInUserNamespace has it in namespaces that take no privilege.
func TestSuspendedInUserNamespace(t *testing.T) {
	const flags = unix.CLONE_NEWUSER | unix.CLONE_NEWPID
	spawntest.NeedNamespaces(t, flags)
	own := []attr.IDMapEntry{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
	spawntest.EachEngine(t, func(t *testing.T) {
		p := spawntest.Start(t, suspended(t, 3, attr.Namespaces{Flags: flags}, attr.IDMap{UID: own}))
		checkSuspended(t, p)
		resume(t, p, 3)
	})
}

// TestSuspendedMask wants the mask that is asked for, or the thread's.
func TestSuspendedMask(t *testing.T) {
	some := attr.SigMask{unix.SIGTRAP, unix.SIGUSR1}
	spawntest.EachEngine(t, func(t *testing.T) {
		testenv.OnThread(func() {
			odd := raw.Sigset(testenv.Sigset(unix.SIGTRAP, unix.SIGUSR2))
			var old unix.Sigset_t
			if err := unix.PthreadSigmask(unix.SIG_SETMASK, &odd, &old); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil) }()
			for _, test := range []struct {
				list attr.List
				want uint64
			}{
				{nil, raw.Mask(&odd)}, {attr.List{some}, testenv.Sigset(some...)}, {attr.List{attr.SigMask{}}, 0},
			} {
				p := spawntest.Start(t, suspended(t, 0, test.list...))
				if got := testenv.StatusOf(t, fmt.Sprint(p.Pid())).Signals(t, "SigBlk"); got != test.want {
					t.Errorf("blocked %#x, want %#x", got, test.want)
				}
				resume(t, p, 0)
			}
		})
	})
}

// TestManySuspended has a hundred at once.
func TestManySuspended(t *testing.T) {
	prog, err := spawn.Compile(suspended(t, 5))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			p, err := prog.Start(context.Background())
			if err != nil {
				t.Error(err)
				return
			}
			checkSuspended(t, p)
			resume(t, p, 5)
		})
	}
	wg.Wait()
}

// TestKilledWhileSuspended wants the status of a child that never ran.
func TestKilledWhileSuspended(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		p := spawntest.Start(t, suspended(t, 0))
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
		if state, err := p.Wait(context.Background()); err != nil || state.Signal() != unix.SIGKILL {
			t.Error(state, err)
		}
	})
}

// TestRunSuspended wants the context to end what nobody resumes.
func TestRunSuspended(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		if _, err := spawn.Run(ctx, suspended(t, 0)); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// TestSuspendedFaults wants what goes wrong to be as without.
func TestSuspendedFaults(t *testing.T) {
	needPtrace(t)
	// The kernel finds out about this program when the old memory is gone.
	late := testenv.Write(t, filepath.Join(t.TempDir(), "late"), string(tiny.Unloadable(runtime.GOARCH)), 0o755)
	spawntest.EachEngine(t, func(t *testing.T) {
		_, err := spawn.Start(context.Background(), &spawn.Spec{Path: "/missing", Attr: attr.List{attr.StartSuspended{}}})
		if !errors.Is(err, unix.ENOENT) {
			t.Error(err)
		}
		plain, perr := spawn.Run(context.Background(), &spawn.Spec{Path: late})
		susp, serr := spawn.Run(context.Background(), &spawn.Spec{Path: late, Attr: attr.List{attr.StartSuspended{}}})
		if fmt.Sprint(plain, perr) != fmt.Sprint(susp, serr) {
			t.Errorf("%v, %v; without: %v, %v", susp, serr, plain, perr)
		}
	})
}

// refusePtrace makes one request of ptrace fail.
func refusePtrace(request uint32, errno unix.Errno) attr.Seccomp {
	return attr.Seccomp{Filter: []attr.SockFilter{
		spawntest.BPF(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, 0, 0, 0),
		spawntest.BPF(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, 0, 3, unix.SYS_PTRACE),
		spawntest.BPF(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, 0, 0, raw.LowOfArg(0)), // the request
		spawntest.BPF(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, 0, 1, request),
		spawntest.BPF(unix.BPF_RET|unix.BPF_K, 0, 0, unix.SECCOMP_RET_ERRNO|uint32(errno)),
		spawntest.BPF(unix.BPF_RET|unix.BPF_K, 0, 0, unix.SECCOMP_RET_ALLOW),
	}}
}

// TestSuspendRefused wants an error that names the step where nobody may trace, or
// set the mask of what is traced, as before Linux 3.11; and the context to end a
// wait for the first stop. The child is gone then.
func TestSuspendRefused(t *testing.T) {
	const setSigmask = 0x420b
	allRefused := testenv.Lacks(unix.SYS_PTRACE)
	for name := range spawntest.Without {
		for _, test := range []struct {
			filter attr.Seccomp
			limit  time.Duration
			want   string
		}{
			{spawntest.Refuse(unix.EPERM, unix.SYS_PTRACE), testenv.Patience, "suspend 1 EPERM\n"},
			{refusePtrace(setSigmask, unix.EPERM), testenv.Patience, "suspend 1 EPERM\n"},
			{refusePtrace(setSigmask, unix.EIO), testenv.Patience, "suspend 1 unsupported\n"},
			{refusePtrace(unix.PTRACE_GETSIGINFO, unix.ESRCH), 10 * time.Millisecond, "context deadline exceeded\n"},
		} {
			if allRefused {
				test.limit, test.want = testenv.Patience, "suspend 1 EPERM\n"
			}
			s := spawntest.Helper(t, "suspends", name, test.limit.String())
			s.Attr = attr.List{attr.NoNewPrivs{}, test.filter}
			if got := spawntest.Output(t, s); got != test.want {
				t.Errorf("without %s: %q, want %q", name, got, test.want)
			}
		}
	}
}

var _ = testenv.RegisterHelper("suspends", func(args []string) int {
	spawntest.Force(args[0])
	limit, err := time.ParseDuration(args[1])
	if err != nil {
		return 1
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	_, err = spawn.Start(ctx, spawntest.Shell("echo ran", attr.Nice(19), attr.StartSuspended{}))
	var e *spawn.Error
	switch errors.As(err, &e); {
	case e == nil:
		fmt.Println(err)
	case errors.Is(err, unix.EPERM):
		fmt.Println(e.Step, e.Index, "EPERM")
	case errors.Is(err, errors.ErrUnsupported):
		fmt.Println(e.Step, e.Index, "unsupported")
	}
	if _, err := unix.Wait4(-1, nil, 0, nil); err != unix.ECHILD {
		fmt.Println("a child is left:", err)
	}
	return 0
})

// TestSuspendedWithReaper has a loop around wait4 in the parent.
func TestSuspendedWithReaper(t *testing.T) {
	needPtrace(t)
	for _, name := range []string{"nothing", "pidfd", "shared_memory"} {
		if got := spawntest.Output(t, spawntest.Helper(t, "reaping parent", name)); got != strings.Repeat("T", reaped)+"\n" {
			t.Errorf("without %s: %q", name, got)
		}
	}
}

const reaped = 30

var _ = testenv.RegisterHelper("reaping parent", func(args []string) int {
	spawntest.Force(args[0])
	ended := make(chan unix.WaitStatus, reaped)
	for range 2 {
		go func() {
			for {
				var status unix.WaitStatus
				if _, err := unix.Wait4(-1, &status, unix.WUNTRACED|unix.WCONTINUED, nil); err != nil {
					time.Sleep(10 * time.Microsecond)
				} else if status.Exited() || status.Signaled() {
					ended <- status
				}
			}
		}()
	}
	for range reaped {
		p, err := spawn.Start(context.Background(), spawntest.Shell("exit 4", attr.StartSuspended{}))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Print(string(testenv.StateOf(p.Pid())))
		if err := p.Signal(unix.SIGCONT); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		if status := <-ended; status.ExitStatus() != 4 {
			fmt.Fprintf(os.Stderr, "%#x\n", status)
		}
		handover.Disown(p)
	}
	fmt.Println()
	return 0
})

// TestSuspendedSteps wants all signals but one to be blocked from before tracing
// until after execve, whatever the attributes.
func TestSuspendedSteps(t *testing.T) {
	prog, err := spawn.Compile(spawntest.Shell(":", spawntest.Refuse(unix.EPERM, unix.SYS_PTRACE), attr.SigMask{}, attr.StartSuspended{}, attr.NoNewPrivs{}))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range prog.Steps() {
		if name, _, _ := strings.Cut(s.String(), ","); s.Index >= 0 || s.Syscall == "rt_sigprocmask" {
			got = append(got, fmt.Sprint(s.Name, " ", s.Index, " ", name))
		}
	}
	want := []string{
		"no_new_privs 3 prctl(PR_SET_NO_NEW_PRIVS", "suspend 2 ptrace(PTRACE_TRACEME", "suspend 2 getppid() // gives v3",
		"suspend 2 getpid() // unless v3 is 0", "suspend 2 tkill(v4", "suspend 2 rt_sigprocmask(SIG_UNBLOCK",
		"seccomp 0 seccomp(SECCOMP_SET_MODE_FILTER",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestSuspendedSetuid wants a set-user-ID program to get its id if the child has
// CAP_SYS_PTRACE, and not to get it without.
func TestSuspendedSetuid(t *testing.T) {
	testenv.NeedRoot(t)
	needPtrace(t)
	const owner = 12345
	path := testenv.Program(t, filepath.Join(testenv.PublicDir(t), "program"), 0)
	if err := errors.Join(os.Chown(path, owner, -1), os.Chmod(path, 0o755|os.ModeSetuid)); err != nil {
		t.Fatal(err)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil || fs.Flags&unix.ST_NOSUID != 0 {
		testenv.Skip(t, "the file system has no set-user-ID bits")
	}
	for _, test := range []struct {
		list attr.List
		want int
	}{
		{nil, owner}, {attr.List{attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody}}, testenv.Nobody},
	} {
		p := spawntest.Start(t, &spawn.Spec{Path: path, Attr: append(test.list, attr.StartSuspended{})})
		if got := strings.Fields(testenv.StatusOf(t, fmt.Sprint(p.Pid())).Status["Uid"])[1]; got != fmt.Sprint(test.want) {
			t.Errorf("%#v: effective id %s, want %d", test.list, got, test.want)
		}
		resume(t, p, 0)
	}
}
