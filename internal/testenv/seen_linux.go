package testenv

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Seen is what a process looked like from inside.
type Seen struct {
	Status map[string]string    // /proc/self/status
	Limits map[string][2]string // /proc/self/limits: soft, hard
	Cgroup string               // of the v2 hierarchy
	Stat   []string             // /proc/self/stat from the state on, of cat
}

// SeenFiles are the files that ParseSeen is for.
var SeenFiles = []string{"/proc/self/status", "/proc/self/limits", "/proc/self/cgroup", "/proc/self/stat"}

// ParseSeen is what some of SeenFiles say, one after the other.
func ParseSeen(out string) Seen {
	s := Seen{Status: map[string]string{}, Limits: map[string][2]string{}}
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\n")
		_, stat, isStat := strings.Cut(line, " (cat) ")
		switch {
		case isStat:
			s.Stat = strings.Fields(stat)
		case strings.HasPrefix(line, "Max "):
			f := strings.Fields(line[26:])
			s.Limits[strings.TrimSpace(line[:26])] = [2]string{f[0], f[1]}
		case strings.HasPrefix(line, "0::"):
			s.Cgroup = line[3:]
		default:
			if key, value, ok := strings.Cut(line, ":\t"); ok {
				s.Status[key] = strings.TrimSpace(value)
			}
		}
	}
	return s
}

// Fields of /proc/pid/stat, counted from the state.
const (
	StatPgrp     = 2
	StatSession  = 3
	StatTTY      = 4
	StatFg       = 5
	StatNice     = 16
	StatPriority = 37
	StatPolicy   = 38
)

// StatusOf is the status of a process or thread.
func StatusOf(t testing.TB, pid string) Seen {
	t.Helper()
	text, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		t.Fatal(err)
	}
	return ParseSeen(string(text))
}

// StateOf is the state of a process or thread, as ps shows it; 0 where it is gone.
func StateOf(pid int) byte {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) // PID (NAME) STATE ...
	state := bytes.LastIndexByte(text, ')') + 2
	if err != nil || state >= len(text) {
		return 0
	}
	return text[state]
}

// IsOver reports whether a process is gone, or a zombie.
func IsOver(pid int) bool {
	state := StateOf(pid)
	return state == 0 || state == 'Z' || state == 'X'
}

// GroupLives reports whether a process of a group is neither gone nor a zombie. Somebody else
// may be slow to reap it.
func GroupLives(pgid int) bool {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		text, _ := os.ReadFile(file) // or it is gone: PID (NAME) STATE PARENT GROUP ...
		f := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
		if len(f) > 2 && string(f[2]) == strconv.Itoa(pgid) && !bytes.Contains([]byte("ZX"), f[0]) {
			return true
		}
	}
	return false
}

// OnlyChild is the status of a child of this process.
func OnlyChild() (s Seen) {
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, list := range lists {
		pids, _ := os.ReadFile(list)
		for pid := range strings.FieldsSeq(string(pids)) {
			if text, err := os.ReadFile("/proc/" + pid + "/status"); err == nil {
				s = ParseSeen(string(text))
			}
		}
	}
	return s
}

// Number is a field of Stat.
func (s Seen) Number(t testing.TB, field int) int {
	t.Helper()
	if field >= len(s.Stat) {
		t.Fatalf("no field %d in %q", field, s.Stat)
	}
	n, err := strconv.Atoi(s.Stat[field])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// PID is the process's own.
func (s Seen) PID() string { return s.Status["Pid"] }

// Signals is a set of them in Status.
func (s Seen) Signals(t testing.TB, key string) uint64 {
	t.Helper()
	set, err := strconv.ParseUint(s.Status[key], 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// FourIDs is how Status has real, effective, saved and filesystem ids that are the same.
func FourIDs(id uint32) string {
	return strings.TrimSuffix(strings.Repeat(fmt.Sprintf("%d\t", id), 4), "\t")
}

// HasIDs compares real, effective, saved and filesystem ids.
func (s Seen) HasIDs(uid, gid uint32) error {
	if s.Status["Uid"] != FourIDs(uid) || s.Status["Gid"] != FourIDs(gid) {
		return fmt.Errorf("uid %q, gid %q; want %d, %d", s.Status["Uid"], s.Status["Gid"], uid, gid)
	}
	return nil
}

// Sigset is a set of signals as Signals has it.
func Sigset(sigs ...syscall.Signal) (set uint64) {
	for _, sig := range sigs {
		set |= 1 << (sig - 1)
	}
	return set
}
