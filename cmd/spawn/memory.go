package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/safespawn/spawn"
)

// memoryWatch looks again and again at the memory of a program, because the kernel
// forgets what the program itself has had when it ends. The pauses grow with the
// program's age, so that a long life costs no more looks than a few hundred an hour.
type memoryWatch struct {
	proc  *spawn.Process
	timer *time.Timer
	begin time.Time
	peak  int64
}

const (
	firstLook = time.Millisecond
	lastPause = 10 * time.Second
)

// watchMemory returns nil where nobody asks.
func watchMemory(proc *spawn.Process, wanted bool) *memoryWatch {
	if !wanted {
		return nil
	}
	m := &memoryWatch{proc: proc, timer: time.NewTimer(firstLook), begin: time.Now()}
	m.look()
	return m
}

// due is when to look again: never, where nobody asks.
func (m *memoryWatch) due() <-chan time.Time {
	if m == nil {
		return nil
	}
	return m.timer.C
}

// look notes the peak until now. A kernel that does not tell is not asked again.
func (m *memoryWatch) look() {
	n, err := m.proc.PeakRSS()
	if err != nil {
		return
	}
	m.peak = n
	m.timer.Reset(min(max(time.Since(m.begin)/8, firstLook), lastPause))
}

// seen is the peak as far as it was seen.
func (m *memoryWatch) seen() int64 {
	m.timer.Stop()
	return m.peak
}

// cgroupPeak is the most that all processes in a cgroup have had, 0 where it can't be
// known. Linux 5.19.
func cgroupPeak(dir string) int64 {
	if dir == "" {
		return 0
	}
	text, err := os.ReadFile(filepath.Join(dir, "memory.peak"))
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
