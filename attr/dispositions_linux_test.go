//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package attr_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	osexec "os/exec"
	"os/signal"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/raw/rawtest"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
	"github.com/safespawn/spawn/internal/testenv/tiny"
)

func TestSignalDispositions(t *testing.T) {
	defer ignoring(syscall.SIGINT, syscall.SIGUSR2)()
	defer subscribe(syscall.SIGUSR1)()
	// What this process was started with, as by nohup, is inherited, too.
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	all := testenv.ParseSeen(string(status)).Signals(t, "SigIgn")
	if both := testenv.Sigset(syscall.SIGINT, syscall.SIGUSR2); all&both != both {
		t.Fatalf("ignored here: %#x", all)
	}
	without := func(sigs ...syscall.Signal) uint64 { return all &^ testenv.Sigset(sigs...) }
	tests := []struct {
		name string
		list attr.List
		want uint64
	}{
		{"clean slate", nil, 0},
		{"clean slate, with a list", attr.List{attr.SigDefault{syscall.SIGINT}}, 0},
		{"inherited", attr.List{attr.InheritIgnored{}}, all},
		{"inherited, with an empty list", attr.List{attr.SigDefault{}, attr.InheritIgnored{}}, all},
		{"one reset", attr.List{attr.InheritIgnored{}, attr.SigDefault{syscall.SIGINT}}, without(syscall.SIGINT)},
		{"clean slate but one", attr.List{attr.SigIgnore{syscall.SIGHUP}}, testenv.Sigset(syscall.SIGHUP)},
		{"one the same", attr.List{attr.SigIgnore{syscall.SIGINT, 64}}, testenv.Sigset(syscall.SIGINT, 64)},
		{"reset and ignored", attr.List{attr.SigIgnore{syscall.SIGQUIT}, attr.InheritIgnored{}, attr.SigDefault{syscall.SIGUSR2, syscall.SIGUSR1}},
			without(syscall.SIGUSR1, syscall.SIGUSR2) | testenv.Sigset(syscall.SIGQUIT)},
	}
	spawntest.EachEngine(t, func(t *testing.T) {
		for _, test := range tests {
			s := spawntest.SeenWith(t, test.list...)
			if got := s.Signals(t, "SigIgn"); got != test.want {
				t.Errorf("%s: ignored %#x, want %#x", test.name, got, test.want)
			}
			if got := s.Signals(t, "SigCgt"); got != 0 {
				t.Errorf("%s: caught %#x", test.name, got)
			}
		}
	})
}

// changeable are the signals whose action can be changed.
var changeable = func() (list []syscall.Signal) {
	for sig := syscall.Signal(1); sig <= 64; sig++ {
		if sig != unix.SIGKILL && sig != unix.SIGSTOP {
			list = append(list, sig)
		}
	}
	return list
}()

// ignoreAsC ignores signals as C code does, of which package os/signal knows
// nothing.
func ignoreAsC(sigs ...syscall.Signal) {
	for _, sig := range sigs {
		if err := rawtest.IgnoreSignal(sig); err != nil {
			panic(err)
		}
	}
}

// callC calls C code, where there is any: some of package os/user is written in it.
// It reports whether it has.
func callC() bool {
	before := runtime.NumCgoCall()
	_, _ = user.LookupId("54321")
	return runtime.NumCgoCall() > before
}

func subscribe(sigs ...os.Signal) (stop func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, sigs...)
	return func() { signal.Stop(c) }
}

// ignoring ignores signals for the time of a test. Reset alone does not end it.
func ignoring(sigs ...os.Signal) (end func()) {
	signal.Ignore(sigs...)
	return func() { subscribe(sigs...)() }
}

// signalHistories are what a process may have done to its signals.
var signalHistories = map[string]func(){
	"none":                       func() {},
	"C ignores":                  func() { ignoreAsC(changeable...) },
	"Ignore":                     func() { signal.Ignore() },
	"Ignore and C":               func() { signal.Ignore(); ignoreAsC(changeable...) },
	"Ignore, Reset":              func() { signal.Ignore(); signal.Reset() },
	"Ignore, Notify":             func() { signal.Ignore(); subscribe() },
	"Ignore, Notify, Stop":       func() { signal.Ignore(); subscribe()() },
	"Ignore, Notify, Stop and C": func() { signal.Ignore(); subscribe()(); ignoreAsC(unix.SIGPIPE, unix.SIGTERM) },
	"Notify":                     func() { subscribe() },
	"Notify, Stop":               func() { subscribe()() },
	"Notify, Stop, Ignore some":  func() { subscribe()(); signal.Ignore(unix.SIGHUP, unix.SIGTERM, syscall.Signal(40)) },
	"C ignores, Notify some": func() {
		ignoreAsC(changeable...)
		subscribe(unix.SIGHUP, unix.SIGUSR1)
	},
	"C ignores, Notify and Stop some": func() {
		ignoreAsC(changeable...)
		subscribe(unix.SIGHUP, unix.SIGUSR1)()
	},
	"C ignores SIGPIPE": func() { ignoreAsC(unix.SIGPIPE) },
	"C ignores SIGCHLD": func() { ignoreAsC(unix.SIGCHLD) },
	"C ignores SIGHUP":  func() { ignoreAsC(unix.SIGHUP) },
}

// needsC are the histories that only C code can have; what a system call of Go code
// changes later on is not looked for in all signals.
var needsC = []string{"C ignores", "C ignores, Notify some", "C ignores, Notify and Stop some",
	"Ignore, Notify, Stop and C"}

// TestDispositionsAsInOSExec compares what programs ignore that are started by
// os/exec, by package exec and with InheritIgnored, and that start clean: whatever
// the process has ignored, by itself, in C, or from its own start on.
func TestDispositionsAsInOSExec(t *testing.T) {
	atStart := map[string]attr.SigIgnore{
		"nothing ignored": nil, "all ignored": changeable, "nohup": {unix.SIGHUP}, "background": {unix.SIGINT, unix.SIGQUIT},
		"terminal": {unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU},
	}
	waiter := filepath.Join(t.TempDir(), "waiter")
	if err := tiny.WriteWaiter(waiter); err != nil {
		t.Fatal(err)
	}
	// Without -long each experiment is for one engine, and each two of name, history, when
	// and engine meet.
	engines, n := []string{"nothing", "clone3", "shared_memory"}, 0
	for _, name := range slices.Sorted(maps.Keys(atStart)) {
		ignored := atStart[name]
		for _, history := range slices.Sorted(maps.Keys(signalHistories)) {
			for _, when := range []string{"early", "late"} {
				among := engines
				if !testenv.Long() {
					among = engines[n%len(engines):][:1]
				}
				n++
				t.Run(name+"/"+history+"/"+when, func(t *testing.T) {
					s := spawntest.Helper(t, "compare dispositions", append([]string{history, when, waiter}, among...)...)
					s.Attr = attr.List{ignored}
					if out := spawntest.Output(t, s); out != "" {
						t.Error(out)
					}
				})
			}
		}
	}
}

var _ = testenv.RegisterHelper("compare dispositions", func(args []string) int {
	history, late, waiter := args[0], args[1] == "late", args[2]
	if late {
		ignoredBy(waiter, byPackage(nil))
		if !callC() && slices.Contains(needsC, history) {
			return 0 // no C code
		}
	}
	signalHistories[history]()
	want := ignoredBy(waiter, byOSExec)
	for _, name := range args[3:] {
		restore := spawntest.Force(name)
		for what, got := range map[string]uint64{
			"package exec": ignoredBy(waiter, byExec), "InheritIgnored": ignoredBy(waiter, byPackage(attr.List{attr.InheritIgnored{}})),
			"compiled": ignoredBy(waiter, byProgram(attr.List{attr.InheritIgnored{}})),
		} {
			if got != want {
				fmt.Printf("without %s: %s ignores %#x, with os/exec %#x\n", name, what, got, want)
			}
		}
		for what, got := range map[string]uint64{
			"clean": ignoredBy(waiter, byPackage(nil)), "clean, compiled": ignoredBy(waiter, byProgram(nil)),
		} {
			if got != 0 {
				fmt.Printf("without %s: %s ignores %#x\n", name, what, got)
			}
		}
		restore()
	}
	return 0
})

// starter starts a program that waits, and returns its pid and what waits for its end.
// Where SIGCHLD is ignored there is nothing to be waited for.
type starter func(path string) (pid int, wait func(), err error)

func byOSExec(path string) (int, func(), error) {
	c := osexec.Cmd{Path: path}
	if err := c.Start(); err != nil {
		return 0, nil, err
	}
	return c.Process.Pid, func() { _ = c.Wait() }, nil
}

func byExec(path string) (int, func(), error) {
	c := exec.Cmd{Path: path}
	if err := c.Start(); err != nil {
		return 0, nil, err
	}
	return c.Process.Pid, func() { _ = c.Wait() }, nil
}

func byPackage(list attr.List) starter {
	return func(path string) (int, func(), error) {
		return started(spawn.Start(context.Background(), &spawn.Spec{Path: path, Attr: list}))
	}
}

func byProgram(list attr.List) starter {
	return func(path string) (int, func(), error) {
		p, err := spawn.Compile(&spawn.Spec{Path: path, Attr: list})
		if err != nil {
			return 0, nil, err
		}
		return started(p.Start(context.Background()))
	}
}

func started(p *spawn.Process, err error) (int, func(), error) {
	if err != nil {
		return 0, nil, err
	}
	return p.Pid(), func() { _, _ = p.Wait(context.Background()) }, nil
}

// ignoredBy is the set of signals that a program ignores.
func ignoredBy(waiter string, start starter) (set uint64) {
	pid, wait, err := start(waiter)
	if err != nil {
		panic(err)
	}
	if err := testenv.AwaitExec(pid, filepath.Base(waiter)); err != nil {
		panic(err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err := errors.Join(err, unix.Kill(pid, unix.SIGKILL)); err != nil {
		panic(err)
	}
	wait()
	if set, err = strconv.ParseUint(testenv.ParseSeen(string(status)).Status["SigIgn"], 16, 64); err != nil {
		panic(err)
	}
	return set
}
