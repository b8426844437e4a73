// Package testenv is the environment of the tests of all packages: the one way to
// skip a test, helper programs, what a test must not leave behind, waiting for
// something to happen, and files, terminals and control groups to try things on. It
// imports none of the packages that are tested; package spawntest is for tests that
// start children by package spawn.
package testenv

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Patience is for what takes next to no time on an idle machine.
const Patience = time.Minute

// Nobody is a user without any privilege.
const Nobody = 65534

var long = flag.Bool("long", false, "run stress tests at full length")

// Long reports whether stress tests are to run at full length.
func Long() bool { return *long }

// Rounds is how often a stress test is to repeat what it does: the first number, the
// second with -long.
func Rounds(usual, full int) int {
	if *long {
		return full
	}
	return usual
}

var skips = struct {
	sync.Mutex
	tests map[string][]string // by reason
}{tests: map[string][]string{}}

// Skip is the one place where tests are skipped; CI counts its lines, and Main sums them up.
func Skip(t testing.TB, reason string) {
	t.Helper()
	skips.Lock()
	skips.tests[reason] = append(skips.tests[reason], t.Name())
	skips.Unlock()
	t.Skip("SKIPPED: " + reason)
}

// skipped sums up what was skipped, a line for each reason.
func skipped() (lines []string) {
	skips.Lock()
	defer skips.Unlock()
	for _, reason := range slices.Sorted(maps.Keys(skips.tests)) {
		tests := slices.Compact(slices.Sorted(slices.Values(skips.tests[reason])))
		lines = append(lines, fmt.Sprintf("skipped: %s: %s", reason, strings.Join(tests, ", ")))
	}
	return lines
}

// NeedRoot skips a test, or the half of one, that is for root.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Skip(t, "needs root")
	}
}

// NeedUser skips what is for a user without privilege.
func NeedUser(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		Skip(t, "needs a user without privilege")
	}
}

// Self is the path of the test binary.
func Self(t testing.TB) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

// omissible finds out for examples what they lack.
var omissible = map[string]func() string{}

// OmitExample leaves out an example, which can't say itself that it lacks something, if the
// function returns a reason. It is for init.
func OmitExample(name string, lacks func() string) { omissible[name] = lacks }

// omitExamples does so, beside what -skip says.
func omitExamples() {
	var omitted []string
	for name, lacks := range omissible {
		if reason := lacks(); reason != "" {
			omitted = append(omitted, name)
			skips.tests[reason] = append(skips.tests[reason], name)
		}
	}
	if omitted == nil {
		return
	}
	skip := "^(" + strings.Join(omitted, "|") + ")$"
	if more := flag.Lookup("test.skip").Value.String(); more != "" {
		skip += "|" + more
	}
	if err := flag.Set("test.skip", skip); err != nil {
		panic(err)
	}
}
