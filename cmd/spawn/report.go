package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/safespawn/spawn"
)

// explain prints the system calls of a child: number, step, object, call.
func explain(w io.Writer, steps []spawn.Step) error {
	rows := [][4]string{{"#", "STEP", "OBJECT", "SYSTEM CALL"}}
	for i, s := range steps {
		rows = append(rows, [4]string{strconv.Itoa(i + 1), s.Name, tame(s.Object), tame(s.String())})
	}
	var width [4]int
	for _, row := range rows {
		for i, text := range row {
			width[i] = max(width[i], utf8.RuneCountInString(text))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		fmt.Fprintf(&b, "%*s  %-*s  %-*s  %s\n", width[0], row[0], width[1], row[1], width[2], row[2], row[3])
	}
	return write(w, b.String())
}

// stats is a table of what the program has used.
func (e *ending) stats() string {
	rows := [][2]string{{"wall time", seconds(e.wall)}}
	if u := e.state.Rusage(); u != nil {
		rows = append(rows,
			[2]string{"user CPU", seconds(e.state.UserTime())},
			[2]string{"system CPU", seconds(e.state.SystemTime())},
			[2]string{"peak memory", e.peakMemory()},
			[2]string{"context switches", switchesOf(u)})
	}
	if e.group > 0 {
		rows = append(rows, [2]string{"peak of the cgroup", mebibytes(e.group)})
	}
	rows = append(rows, ofTree(e.tree)...)
	var b strings.Builder
	for _, row := range rows {
		fmt.Fprintf(&b, "%-18s%s\n", row[0], row[1])
	}
	return b.String()
}

// switchesOf describes the context switches of a program.
func switchesOf(u *syscall.Rusage) string {
	voluntary, involuntary, known := contextSwitches(u)
	if !known {
		return "unknown"
	}
	return fmt.Sprintf("%d voluntary, %d involuntary", voluntary, involuntary)
}

// ofTree is the rows of what the whole tree has used, as far as somebody has counted.
func ofTree(u *spawn.Usage) (rows [][2]string) {
	if u == nil {
		return nil
	}
	row := func(known bool, name, value string) {
		if known {
			rows = append(rows, [2]string{name, value})
		}
	}
	row(u.User+u.System > 0, "CPU of the tree", seconds(u.User+u.System))
	row(u.Throttled > 0, "stopped by limit", seconds(u.Throttled))
	row(u.MemoryPeak > 0, "peak of the tree", mebibytes(u.MemoryPeak))
	row(u.ProcsPeak > 0, "most processes", strconv.Itoa(u.ProcsPeak))
	row(u.OOMKills > 0, "killed for memory", strconv.Itoa(u.OOMKills))
	return rows
}

// peakMemory is what the program has had at most. What the kernel counts as the
// program's has spawn's own in it.
func (e *ending) peakMemory() string {
	peak, ok := e.state.PeakRSS()
	switch {
	case ok:
		return mebibytes(peak)
	case e.state.MaxRSS() == 0:
		return "unknown"
	case e.seen >= leastPeak:
		return fmt.Sprintf("%s or more; %s with spawn's own", mebibytes(e.seen), mebibytes(e.state.MaxRSS()))
	}
	return mebibytes(e.state.MaxRSS()) + " or less, with spawn's own counted in"
}

// leastPeak is what a program has had whose beginning is over. A look before that
// tells nothing.
const leastPeak = 256 << 10

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

func seconds(d time.Duration) string { return fmt.Sprintf("%.6f s", d.Seconds()) }
