package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/safespawn/spawn"
)

// explain prints the system calls of a child: number, step, object, call.
func explain(w io.Writer, steps []spawn.Step) error {
	rows := [][4]string{{"#", "STEP", "OBJECT", "SYSTEM CALL"}}
	for i, s := range steps {
		rows = append(rows, [4]string{strconv.Itoa(i + 1), s.Name, printable(s.Object), s.String()})
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

// printable keeps a text in its column.
func printable(s string) string {
	if q := strconv.Quote(s); q[1:len(q)-1] != s {
		return q
	}
	return s
}

// stats is a table of what the program has used.
func (e *ending) stats() string {
	rows := [][2]string{{"wall time", seconds(e.wall)}}
	if u := e.state.Rusage(); u != nil {
		peak := fmt.Sprintf("%.1f MiB", float64(e.state.MaxRSS())/(1<<20))
		if sharesPeak(u) {
			peak += " or less, with spawn's own counted in"
		}
		rows = append(rows,
			[2]string{"user CPU", seconds(e.state.UserTime())},
			[2]string{"system CPU", seconds(e.state.SystemTime())},
			[2]string{"peak memory", peak},
			[2]string{"context switches", contextSwitches(u)})
	}
	var b strings.Builder
	for _, row := range rows {
		fmt.Fprintf(&b, "%-18s%s\n", row[0], row[1])
	}
	return b.String()
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.6f s", d.Seconds()) }
