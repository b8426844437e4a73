//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// signalCalls are the calls by which a process can be signalled or reaped, or made.
const signalCalls = "kill,tkill,tgkill,rt_sigqueueinfo,pidfd_send_signal,waitid,wait4,clone,clone3,vfork"

// TestA5ReapedGetNoSignals is row A5 of the promises: a tracer sees each system call of
// racing Wait, Signal and Stop, and none of them sends a signal by the number of a process
// or of a group whose leader was reaped.
func TestA5ReapedGetNoSignals(t *testing.T) {
	strace, err := osexec.LookPath("strace")
	if err != nil {
		testenv.Skip(t, "no strace")
	}
	for engine, calls := range map[string]int{
		"nothing": testenv.Rounds(500, 50000), "pidfd": testenv.Rounds(500, 50000), "anything": testenv.Rounds(300, 5000),
	} {
		if testing.Short() {
			calls = min(calls, 300)
		}
		t.Run("without "+engine, func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "log")
			args := append([]string{"-f", "-qq", "-o", log, "-e", "trace=" + signalCalls, testenv.Self(t)},
				testenv.HelperArgs("race for the end", engine, strconv.Itoa(calls))...)
			out, err := osexec.Command(strace, args...).CombinedOutput()
			if err != nil {
				if strings.Contains(string(out), "ptrace") {
					testenv.Skip(t, "nobody may be traced")
				}
				t.Fatalf("%v: %s", err, out)
			}
			seen := checkSignals(t, log)
			t.Logf("%d calls: %+v", calls, seen)
			if seen.reaps < calls/20 || seen.signals < calls/20 || engine != "nothing" && seen.numbers < calls/20 {
				t.Errorf("the tracer has seen too little: %+v", seen)
			}
		})
	}
}

type seenSignals struct{ reaps, signals, numbers int }

var (
	straceCall   = regexp.MustCompile(`^(\d+) +(\w+)\((.*)$`)
	straceResume = regexp.MustCompile(`^(\d+) +<\.\.\. (\w+) resumed>(.*)$`)
	siPID        = regexp.MustCompile(`si_pid=(\d+)`)
	lastNumber   = regexp.MustCompile(`= (\d+)[^=]*$`)
)

// checkSignals reads what strace has written. A call that reaps does so at any time from
// its beginning on, and what is sent meanwhile is wrong, too.
func checkSignals(t *testing.T, log string) (seen seenSignals) {
	t.Helper()
	f, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sent := map[int]int{}      // by pid: the last line that sent to its number
	reaped := map[int]int{}    // by pid: the line of the call that has reaped it
	begun := map[string]call{} // by thread
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		c, thread := call{line: n}, ""
		if m := straceCall.FindStringSubmatch(lines.Text()); m != nil {
			thread, c.name, c.text = m[1], m[2], m[3]
			c.sends(t, sent, reaped, &seen)
			if strings.Contains(c.text, "<unfinished") {
				begun[thread] = c
				continue
			}
		} else if m := straceResume.FindStringSubmatch(lines.Text()); m != nil {
			if c = begun[m[1]]; c.name != m[2] {
				continue
			}
			c.text += m[3]
		}
		switch pid := c.result(); {
		case pid <= 0:
		case c.name == "waitid" || c.name == "wait4":
			seen.reaps++
			reaped[pid] = c.line
			if sent[pid] > c.line {
				t.Errorf("line %d sends to process %d, which line %d reaps", sent[pid], pid, c.line)
			}
		default: // a new process
			delete(reaped, pid)
			delete(sent, pid)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return seen
}

// call is a system call as strace prints it.
type call struct {
	name, text string
	line       int
}

// sends notes to which number a call sends a signal.
func (c call) sends(t *testing.T, sent, reaped map[int]int, seen *seenSignals) {
	switch c.name {
	case "pidfd_send_signal": // by what is never another's
		seen.signals++
	case "kill", "tkill", "tgkill", "rt_sigqueueinfo":
		number, _, _ := strings.Cut(c.text, ",")
		pid, err := strconv.Atoi(number)
		if err != nil {
			t.Errorf("line %d: %q", c.line, c.text)
		}
		seen.signals++
		seen.numbers++
		if pid = max(pid, -pid); reaped[pid] != 0 {
			t.Errorf("line %d: %s(%s sends to process %d, which line %d has reaped", c.line, c.name, c.text, pid, reaped[pid])
		}
		sent[pid] = c.line
	}
}

// result is the process that a call has reaped or made, 0 if none.
func (c call) result() int {
	m := lastNumber.FindStringSubmatch(c.text)
	switch c.name {
	case "waitid":
		if strings.Contains(c.text, "WNOWAIT") {
			return 0
		}
		m = siPID.FindStringSubmatch(c.text)
	case "wait4", "clone", "clone3", "vfork":
	default:
		return 0
	}
	if m == nil {
		return 0
	}
	pid, _ := strconv.Atoi(m[1])
	return pid
}

var _ = testenv.RegisterHelper("race for the end", func(args []string) int {
	defer spawntest.Force(args[0])()
	calls, err := strconv.Atoi(args[1])
	if err != nil {
		return testenv.Status(err)
	}
	const perChild = 10
	for round := range calls / perChild {
		if err := raceForEnd(round); err != nil {
			return testenv.Status(err)
		}
	}
	return 0
})

// raceForEnd starts a child and makes ten calls about its end at once.
func raceForEnd(round int) error {
	if round%8 == 7 {
		return raceForCmd(round)
	}
	s := &spawn.Spec{Path: "/bin/sleep", Args: []string{"sleep", "0.0" + strconv.Itoa(round%4)}}
	if round%4 < 2 {
		s.Args[1] = "60"
	}
	if round%2 == 0 {
		s.Attr = attr.List{attr.Setpgid{}}
	}
	p, err := spawn.Start(context.Background(), s)
	if err != nil {
		return err
	}
	ctx := context.Background()
	var wg sync.WaitGroup
	for _, f := range []func(){
		func() { _, _ = p.Wait(ctx) },
		func() { _, _ = p.Wait(ctx) },
		func() { <-p.Done() },
		func() { _ = p.Signal(syscall.Signal(0)) },
		func() { _ = p.Signal(syscall.SIGTERM) },
		func() { _ = p.SignalTree(syscall.SIGTERM) },
		func() { _, _ = p.Stop(ctx, spawn.Graceful(time.Millisecond)...) },
		func() {
			_, _ = p.Stop(ctx, spawn.StopStep{Signal: syscall.SIGINT, Grace: time.Millisecond}, spawn.StopStep{Signal: os.Kill})
		},
		func() { _ = p.KillTree() },
		func() { _ = p.Kill() },
	} {
		wg.Go(f)
	}
	wg.Wait()
	if _, err := p.Stop(ctx, spawn.Graceful(0)...); err != nil {
		return fmt.Errorf("after the end: %w", err)
	}
	return nil
}

// raceForCmd is raceForEnd for a Cmd.
func raceForCmd(round int) error {
	c := exec.Command("/bin/sleep", "60")
	c.Tree = round%16 == 7
	c.Stop = spawn.Graceful(time.Millisecond)
	if err := c.Start(); err != nil {
		return err
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() { _ = c.Shutdown(context.Background()) })
		wg.Go(func() { _ = c.Kill() })
	}
	wg.Go(func() { _ = c.Wait() })
	wg.Wait()
	return nil
}
