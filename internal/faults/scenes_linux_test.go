//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package faults_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// scene makes a case: what it returns starts children, waits for them, and returns the
// first error, or one of the type wrong.
type scene func() (run func() error, err error)

// scenes are the cases. In the directory are ./program, which exits with 7, and ./fifo.
var scenes = map[string]scene{
	"plain":       specs(spawn.Spec{}),
	"environment": specs(spawn.Spec{Args: []string{"a", "b"}, Env: []string{"A=b"}, PIDVariable: "PID"}),
	"files":       actions(someFiles),
	"many files":  actions(manyFiles),
	"inherit all": actions(func(a *spawn.FileActions) { a.InheritAll() }),
	"made files": actions(func(a *spawn.FileActions) {
		a.Open(0, "/dev/null", os.O_RDONLY, 0)
		a.OpenAt2(4, -100, "/dev/null", os.O_RDONLY, 0, 0)
		a.Chdir(".")
	}),
	"file":      fileScene,
	"missing":   failing(spawn.Spec{Path: "./missing"}),
	"directory": failing(spawn.Spec{Path: "/"}),

	"signals":        list(attr.SigMask{syscall.SIGUSR1}, attr.SigIgnore{syscall.SIGHUP}),
	"actions":        list(attr.InheritIgnored{}, attr.SigDefault{syscall.SIGUSR2}),
	"session":        list(attr.Setsid{}),
	"group":          list(attr.Setpgid{}),
	"tty":            ready(atTerminal),
	"tty detached":   ofSession(func(*os.File) attr.List { return attr.List{attr.DetachTTY{}} }),
	"tty foreground": ofSession(func(tty *os.File) attr.List { return attr.List{attr.Setpgid{}, attr.Foreground{File: tty}} }),
	"scheduling": list(attr.Nice(5), attr.IOPrio{Class: attr.IOPrioBestEffort, Level: 6}, attr.TimerSlack(77_000),
		attr.SchedPolicy{Policy: attr.SchedBatch}, attr.CPUAffinity{0}),
	"core":           list(attr.CoreSched{}),
	"nodes":          list(attr.NUMAPolicy{Mode: attr.NUMALocal}),
	"limits":         list(attr.NoFile{Soft: 64, Hard: 64}, attr.Umask(0o27), attr.Rlimit{Resource: unix.RLIMIT_CORE}),
	"to hard":        list(attr.RlimitToHard(attr.Resource(unix.RLIMIT_CORE)), attr.NoFileCurrent, attr.CoredumpFilter(1)),
	"memory":         list(attr.NoHugePages{}, attr.MemoryDenyWriteExec{}, attr.PersonalityNoASLR),
	"merged":         list(attr.MergePages{}),
	"score":          list(attr.OOMScoreAdj(500)),
	"keyring":        list(attr.SessionKeyring("")),
	"digest":         ready(digested),
	"optional":       optional,
	"sandbox":        sandbox,
	"rules in child": ready(rulesInChild),
	"SELinux":        list(attr.SELinuxContext("u:r:t:s0")),
	"AppArmor":       list(attr.AppArmorProfile("unconfined")),
	"listener":       failing(spawn.Spec{Path: "./program", Attr: spawntest.Notify(new(attr.SeccompListener), unix.SYS_UNAME)}), // as the helper has one
	"ids":            root(attr.Credential{UID: 65534, GID: 65534}, attr.NoCapabilities(), attr.SecureBits(0xef)),
	"each id":        root(attr.IDs{RUID: attr.KeepID, EUID: 65534, RGID: attr.KeepID, EGID: 65534}, attr.AmbientCaps{unix.CAP_CHOWN}),
	"reset ids":      list(attr.ResetIDs{}),
	"subreaper":      list(attr.ChildSubreaper{}, attr.ParentDeathSignal(unix.SIGKILL)),
	"guarded":        list(attr.DieWithParent{}),
	"namespaces": root(attr.Namespaces{Flags: unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC}, attr.Hostname("here"),
		attr.Domainname("there")),
	"clocks":     root(attr.Unshare{Flags: unix.CLONE_NEWTIME}, attr.TimeOffsets{Boottime: 1}),
	"joined":     withFile("/proc/self/ns/uts", joins),
	"joined pid": withFile(pidNamespace, joins),
	"cgroup":     withFile(cgroup, func(f *os.File) attr.Attr { return attr.Cgroup{Dir: f} }),
	"unshared":   root(attr.Unshare{Flags: unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWNET}, attr.Hostname("here"), attr.Loopback{}),
	"mounts": root(attr.Namespaces{Flags: unix.CLONE_NEWNS},
		attr.Mounts{{FSType: "tmpfs", Target: "/mnt", Flags: unix.MS_NOSUID}}),
	"new root": root(attr.Namespaces{Flags: unix.CLONE_NEWNS}, attr.NewRoot{{Path: "/program", Bind: "program"},
		{Path: "/tmp", FSType: "tmpfs"}, {Path: "/tmp/directory"}, {Path: "/tmp/link", Symlink: "/"}}),
	"pid namespace": list(attr.Namespaces{Flags: unix.CLONE_NEWUSER | unix.CLONE_NEWPID}, attr.MapRoot()),
	"id map":        list(attr.Namespaces{Flags: unix.CLONE_NEWUSER}, attr.MapRoot()),
	"own id map":    list(attr.Unshare{Flags: unix.CLONE_NEWUSER}, attr.MapRoot()),
	"id helpers":    idHelpers,
	"chroot":        chrooted,
	"pivoted":       ready(pivoted),
	"become":        becoming("files"),
	"become root":   becoming("new root"),
	"tree":          treeScene,
	"limited tree":  limitedTree,
	"suspended":     suspended,
	"ptrace":        traced,
	"canceled":      canceled,
	"not canceled":  notCanceled,
	"killed":        killed,
	"released":      released,

	"cmd":      cmds(func(context.Context) *exec.Cmd { return exec.Command("./program") }, (*exec.Cmd).Run),
	"output":   output,
	"in":       input,
	"pipes":    pipes,
	"pipeline": pipeline,
	"cmd tree": cmdTree,
	"timeout":  timeout,
	"terminal": terminal,
	"cmd group": cmds(func(context.Context) *exec.Cmd {
		c := exec.Command("./program")
		c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		return c
	}, (*exec.Cmd).Run),
}

// cases are the scenes, some of them with other ways of the engine.
func cases() (names []string) {
	for name := range scenes {
		names = append(names, "nothing: "+name)
	}
	for _, engine := range spawntest.Engines() {
		if engine == "nothing" {
			continue
		}
		for _, name := range []string{"plain", "many files"} {
			names = append(names, engine+": "+name)
		}
	}
	for _, name := range []string{"ids", "id map", "tree", "suspended", "canceled", "cmd tree", "output", "missing", "score", "limits"} {
		names = append(names, "anything: "+name, "shared_memory: "+name)
	}
	slices.Sort(names)
	return names
}

// specs is a scene of one Spec.
func specs(s spawn.Spec) scene {
	return func() (func() error, error) { return func() error { return runOf(s) }, nil }
}

func list(attrs ...attr.Attr) scene { return specs(spawn.Spec{Attr: attrs}) }

// root is list for a privileged user.
func root(attrs ...attr.Attr) scene {
	return func() (func() error, error) {
		return func() error { return runOf(spawn.Spec{Attr: attrs}) }, needsRoot()
	}
}

func actions(add func(a *spawn.FileActions)) scene {
	return func() (func() error, error) {
		return func() error {
			var s spawn.Spec
			add(&s.Actions)
			return runOf(s)
		}, nil
	}
}

// runOf compiles, starts and waits for ./program.
func runOf(s spawn.Spec) error {
	s.Path = "./program"
	p, err := spawn.Start(context.Background(), &s)
	if err != nil {
		return err
	}
	return ended(p.Wait(context.Background()))
}

// failing is a scene of a Spec that can't be started. Any clear error will do.
func failing(s spawn.Spec) scene {
	return func() (func() error, error) {
		return func() error {
			p, err := spawn.Start(context.Background(), &s)
			var e *spawn.Error
			switch {
			case p != nil:
				state, werr := p.Wait(context.Background())
				return wrongf("it was started, and ended: %v, %v", state, werr)
			case !errors.As(err, &e) || e.Step == "":
				return wrongf("an unclear error: %v (%#v)", err, err)
			}
			return nil
		}, nil
	}
}

// ended wants the status of ./program.
func ended(state *spawn.ProcessState, err error) error {
	if err == nil && state.ExitCode() != 7 {
		return wrongf("%v", state)
	}
	return err
}

func someFiles(a *spawn.FileActions) {
	a.File(os.Stderr, 5)
	a.Dup2(5, 0)
	a.Open(6, "/dev/null", os.O_RDWR, 0)
	a.Close(5)
	a.CloseFrom(7)
}

// manyFiles makes descriptors with numbers that need a place in a table.
func manyFiles(a *spawn.FileActions) {
	for i := range 20 {
		a.File(os.Stderr, 3+i)
	}
	a.File(os.Stderr, 900)
	a.Open(901, "/dev/null", os.O_RDONLY, 0)
}

// fileScene runs an open file.
func fileScene() (func() error, error) {
	return func() error {
		f, err := os.Open("program")
		if err != nil {
			return err
		}
		defer f.Close()
		p, err := spawn.Start(context.Background(), &spawn.Spec{File: f})
		if err != nil {
			return err
		}
		return ended(p.Wait(context.Background()))
	}, nil
}

func sandbox() (func() error, error) {
	attrs := attr.List{attr.NoNewPrivs{}, spawntest.Refuse(unix.EPERM, unix.SYS_CHROOT)}
	if !spawntest.HasLandlock() {
		return func() error { return runOf(spawn.Spec{Attr: attrs}) }, nil
	}
	return func() error {
		r, err := attr.NewLandlock(attr.LandlockRules{Execute: []string{"/"}, BestEffort: true})
		if err != nil {
			return err
		}
		defer r.Close()
		return runOf(spawn.Spec{Attr: append(attrs[:2:2], r.Attr())})
	}, nil
}

// chrooted has its program in the new root directory.
func chrooted() (func() error, error) {
	dir, err := os.Getwd()
	return func() error { return runOf(spawn.Spec{Attr: attr.List{attr.Chroot(dir)}}) }, errors.Join(err, needsRoot())
}

// idHelpers are scripts in the place of newuidmap and newgidmap, in ./helpers.
func idHelpers() (func() error, error) {
	os.Setenv("PATH", must(os.Getwd())+"/helpers:/usr/bin:/bin")
	m := attr.MapRoot()
	m.Helpers = true
	return func() error {
		return runOf(spawn.Spec{Attr: attr.List{attr.Namespaces{Flags: unix.CLONE_NEWUSER}, m}})
	}, nil
}

func must(dir string, err error) string {
	if err != nil {
		panic(err)
	}
	return dir
}

func treeScene() (func() error, error) { return inTree(spawn.Limits{}) }

func inTree(limits spawn.Limits) (func() error, error) {
	return func() (err error) {
		t, err := spawn.NewTree(limits)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, t.Close()) }()
		p, err := spawn.Start(context.Background(), &spawn.Spec{Path: "./program", Attr: attr.List{t.Attr()}})
		if err != nil {
			return err
		}
		if err := ended(p.Wait(context.Background())); err != nil {
			return err
		}
		p, err = spawn.Start(context.Background(), &spawn.Spec{Path: "./waiter", Attr: attr.List{t.Attr()}})
		if err != nil {
			return err
		}
		_, kerr := t.Kill()
		if kerr != nil {
			_ = p.Kill()
		}
		state, err := p.Wait(context.Background())
		if err == nil && state.Signal() != syscall.SIGKILL {
			return wrongf("%v", state)
		}
		return errors.Join(kerr, err)
	}, nil
}

func suspended() (func() error, error) {
	return func() error {
		p, err := spawn.Start(context.Background(), &spawn.Spec{Path: "./program", Attr: attr.List{attr.StartSuspended{}}})
		if err != nil {
			return err
		}
		if serr := p.Signal(unix.SIGCONT); serr != nil {
			_ = p.Kill()
			_, err := p.Wait(context.Background())
			return errors.Join(serr, err)
		}
		return ended(p.Wait(context.Background()))
	}, nil
}

func traced() (func() error, error) {
	return func() error {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		p, err := spawn.Start(context.Background(), &spawn.Spec{Path: "./program", Attr: attr.List{attr.Ptrace{}}})
		if err != nil {
			return err
		}
		var status unix.WaitStatus
		_, werr := unix.Wait4(p.Pid(), &status, 0, nil)
		if err := errors.Join(werr, unix.PtraceDetach(p.Pid())); err != nil {
			_ = p.Kill()
			_ = unix.PtraceDetach(p.Pid())
			_, werr := p.Wait(context.Background())
			return errors.Join(err, werr)
		}
		return ended(p.Wait(context.Background()))
	}, nil
}

// canceled holds a child before execve until the context ends.
func canceled() (func() error, error) {
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Millisecond)
		defer cancel()
		s := &spawn.Spec{Path: "./program"}
		s.Actions.Open(0, "fifo", os.O_RDONLY, 0)
		p, err := spawn.Start(ctx, s)
		if p != nil {
			_ = p.Kill()
			_, _ = p.Wait(context.Background())
			return wrongf("it was started")
		}
		if errors.Is(err, context.DeadlineExceeded) {
			return nil
		}
		return err
	}, nil
}

func notCanceled() (func() error, error) {
	return func() error {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		p, err := spawn.Start(ctx, &spawn.Spec{Path: "./program", Attr: attr.List{attr.Umask(0)}})
		if err != nil {
			return err
		}
		if werr := p.WaitExited(ctx); werr != nil {
			return errors.Join(werr, ended(p.Wait(context.Background())))
		}
		return ended(p.Wait(ctx))
	}, nil
}

func killed() (func() error, error) {
	return func() error {
		p, err := spawn.Start(context.Background(), &spawn.Spec{Path: "./waiter"})
		if err != nil {
			return err
		}
		done := p.Done()
		kerr := p.Kill()
		if kerr != nil {
			if again := p.Kill(); again != nil {
				return wrongf("Kill failed twice: %v, %v", kerr, again)
			}
		}
		<-done
		state, err := p.Wait(context.Background())
		if err == nil && state.Signal() != syscall.SIGKILL {
			return wrongf("%v", state)
		}
		return errors.Join(kerr, err)
	}, nil
}

func released() (func() error, error) {
	return func() error {
		p, err := spawn.Start(context.Background(), &spawn.Spec{Path: "./program"})
		if err != nil {
			return err
		}
		return p.Release()
	}, nil
}
