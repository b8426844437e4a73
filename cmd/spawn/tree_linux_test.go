package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/testenv"
)

// heldBy is what holds trees here.
func heldBy(t *testing.T) spawn.HeldBy {
	t.Helper()
	tree, err := spawn.NewTree(spawn.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	return tree.Holds().By
}

// holdsAll reports whether nobody can leave a tree here.
func holdsAll(t *testing.T) bool { return heldBy(t) != spawn.HeldByGroups }

// TestTree wants nothing of a program to be left when it has ended by itself, or at
// --timeout. Each process of it has a FIFO open for writing.
func TestTree(t *testing.T) {
	scripts := []string{"sleep 600 3>$0 & exit 3"}
	if holdsAll(t) {
		scripts = append(scripts, "setsid sh -c 'sleep 600 & sleep 600' 3>$0 & exit 3")
	}
	for _, script := range scripts {
		for _, flags := range [][]string{{"--tree"}, {"--tree", "--kill-after", "0.2"}} {
			fifo := filepath.Join(t.TempDir(), "fifo")
			if err := syscall.Mkfifo(fifo, 0o600); err != nil {
				t.Fatal(err)
			}
			// The shell goes on when its child has the FIFO open.
			run, text, status := try, strings.Replace(script, "exit 3", "read x <$0; exit 3", 1), 3
			if len(flags) > 1 {
				run, text, status = inTime, strings.Replace(script, "exit 3", "trap '' TERM; printf ready; sleep 600", 1), statusSignal+9
			}
			end, err := os.OpenFile(fifo, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			if status == 3 {
				fmt.Fprintln(end) // for read
			}
			r := run(t, append(flags, "sh", "-c", text, fifo)...)
			end.Close()
			if r.status != status || r.errOut != "" {
				t.Errorf("%q, %s: %+v", flags, text, r)
			}
			// Without a writer, which those that are left would be, it can't be opened.
			if f, err := os.OpenFile(fifo, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
				f.Close()
				t.Errorf("%q, %s: a reader is left", flags, text)
			}
			if pids := holders(t, fifo); len(pids) > 0 {
				t.Errorf("%q, %s: left: %v", flags, text, pids)
			}
		}
	}
}

// holders are the processes that have a file open.
func holders(t *testing.T, path string) (pids []string) {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && target == path {
			pids = append(pids, link)
		}
	}
	return pids
}

// TestTreeMistakes has limits that make no sense, and one that needs a controller.
func TestTreeMistakes(t *testing.T) {
	for _, line := range [][]string{
		{"--limit-memory", "0", "true"},
		{"--limit-memory", "x", "true"},
		{"--limit-memory", "unlimited", "true"},
		{"--limit-procs", "0", "true"},
		{"--limit-cpu", "0", "true"},
		{"--limit-cpu", "NaN", "true"},
		{"--io-weight", "10001", "true"},
		{"--tree", "--cgroup", "/nonexistent", "true"},
	} {
		fails(t, statusError, line...)
	}
	if !holdsAll(t) {
		fails(t, statusError, "--tree-strict", "true")
	}
	r := try(t, "--limit-procs", "50", "--stats", "sh", "-c", "exit 4")
	tree, err := spawn.NewTree(spawn.Limits{Procs: 50})
	if err == nil {
		tree.Close()
	}
	if (err == nil) != (r.status == 4) || err != nil && !strings.Contains(r.errOut, "pids.max") {
		t.Errorf("%v; %+v", err, r)
	}
}

// TestTreeInStats wants the whole tree's CPU time where it is counted.
func TestTreeInStats(t *testing.T) {
	if heldBy(t) != spawn.HeldByCgroup {
		testenv.Skip(t, "only control groups count here")
	}
	r := try(t, "--tree", "--stats", "sh", "-c", "(i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done)")
	if r.status != 0 || !strings.Contains(r.errOut, "CPU of the tree") {
		t.Errorf("%+v", r)
	}
}
