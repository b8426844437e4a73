package main

import (
	"strings"

	"github.com/spf13/pflag"
)

// suggestion is the flag that was meant, or "": the nearest one within two letters, or
// the only one that begins so.
func suggestion(flags *pflag.FlagSet, name string) string {
	if len(name) < 2 {
		return ""
	}
	var best string
	var begins []string
	least := 3
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		if strings.HasPrefix(f.Name, name) {
			begins = append(begins, f.Name)
		}
		if d := distance(name, f.Name); d < least && d < len(name) {
			best, least = f.Name, d
		}
	})
	if len(begins) == 1 && least > 1 {
		return begins[0]
	}
	return best
}

// distance is how many letters have to be put in, left out, replaced or swapped with
// the next to make one word of another.
func distance(a, b string) int {
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row := rows[0], rows[1], rows[2]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		rows = [3][]int{last, row, before}
	}
	return rows[1][len(b)]
}
