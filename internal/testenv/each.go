package testenv

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

var portraits = flag.Bool("portrait", false, "compare this process's state before and after each test")

// runEach runs the tests that -run matches one by one, and wants all of the process to be
// as it was after each.
func runEach(m *testing.M) (code int) {
	names, err := testNames(flag.Lookup("test.run").Value.String())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	changed := 0
	for _, name := range names {
		changes := wholeChanges()
		if err := flag.Set("test.run", "^"+regexp.QuoteMeta(name)+"$"); err != nil {
			panic(err)
		}
		code = max(code, m.Run())
		for _, c := range changes() {
			fmt.Printf("%s has changed this process: %s\n", name, c)
			changed++
		}
	}
	fmt.Printf("HOSTILE %q %d 0 0 0 %d 0\n", "state after each test", len(names), changed)
	return max(code, min(changed, 1))
}

// testNames are the tests of this program whose names a pattern matches.
func testNames(pattern string) (names []string, err error) {
	if pattern == "" {
		pattern = "."
	}
	out, err := exec.Command(os.Args[0], "-test.list", pattern).Output()
	for line := range strings.Lines(string(out)) {
		if name := strings.TrimSpace(line); strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Example") {
			names = append(names, name)
		}
	}
	return names, err
}
