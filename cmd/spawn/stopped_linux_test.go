package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/testenv"
)

// canStop reports whether --stopped can be had.
func canStop() bool { return hasEngine() && !testenv.Lacks(unix.SYS_PTRACE) }

// needStopped checks, where it can't, that it is refused.
func needStopped(t *testing.T) {
	t.Helper()
	if !canStop() {
		fails(t, statusError, "--stopped", "true")
		testenv.Skip(t, "no ptrace for --stopped")
	}
}

// A signal that ends programs ends one that is stopped, too.
func TestSignalsToStopped(t *testing.T) {
	const byItself = "kill -STOP $$; exec sleep 600"
	lines := [][]string{{"sh", "-c", byItself}, {"--setsid", "sh", "-c", byItself}}
	if canStop() {
		lines = append(lines, []string{"--stopped", "sleep", "600"})
	}
	for _, line := range lines {
		cmd := spawnCmd(t, line...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		awaitStopped(t, cmd.Process.Pid)
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if status := shellStatus(cmd.ProcessState); status != statusSignal+15 {
			t.Errorf("%q: status %d", line, status)
		}
	}
}

// A program is stopped when it reads from a terminal in the background of it.
func TestTerminalEndsStopped(t *testing.T) {
	lines := [][]string{{"--setpgid", "0", "cat"}}
	if canStop() {
		lines = append(lines, []string{"--stopped", "sleep", "600"})
	}
	for _, line := range lines {
		master, slave := openPTY(t)
		cmd := spawnCmd(t, line...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		slave.Close()
		awaitStopped(t, cmd.Process.Pid)
		if _, err := master.Write([]byte{3}); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		master.Close()
		if status := shellStatus(cmd.ProcessState); status != statusSignal+2 {
			t.Errorf("%q: status %d", line, status)
		}
	}
}

var stoppedStat = regexp.MustCompile(`\) T `)

// awaitStopped waits for a process to have a child that is stopped.
func awaitStopped(t *testing.T, pid int) {
	t.Helper()
	testenv.Eventually(t, "a stopped child", func() bool {
		lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
		for _, list := range lists {
			children, _ := os.ReadFile(list) // the thread may have ended
			for child := range strings.FieldsSeq(string(children)) {
				if stat, _ := os.ReadFile("/proc/" + child + "/stat"); stoppedStat.Match(stat) {
					return true
				}
			}
		}
		return false
	})
}
