package testenv

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"testing"

	"go.uber.org/goleak"
)

// Main is what TestMain of a package does: it runs a helper, or the tests and then
// looks at what they have left behind: what inventory, such as Leftovers, finds then and
// did not find before, goroutines, and what else is not as it was of the whole process. With
// -portrait it looks after each test, and then at all of the process.
func Main(m *testing.M, inventory func() []string) {
	runHelper()
	// Else every helper sleeps for a second at its end, under the race detector.
	if os.Getenv("GORACE") == "" {
		os.Setenv("GORACE", "atexit_sleep_ms=0")
	}
	flag.Parse()
	omitExamples()
	if testing.Short() {
		os.Setenv(short, "yes")
	}
	if *portraits {
		os.Exit(runEach(m))
	}
	before, changes := inventory(), wholeChanges(notListed...)
	code := m.Run()
	if testing.Verbose() {
		for _, line := range skipped() {
			fmt.Println(line)
		}
	}
	if code == 0 {
		code = report(append(leftBehind(before, inventory), changes()...))
	}
	os.Exit(code)
}

// notListed are parts of a whole that the inventories of Main are about, as far as a package
// leaves them as they are.
var notListed = []string{"dumpable", "child"}

// short is a variable of the environment that is there with -short.
const short = "SPAWN_TEST_SHORT"

// Short is testing.Short for helpers, too, which have no flags.
func Short() bool { return os.Getenv(short) != "" }

// serves are functions of goroutines that stay for as long as the process.
var serves = []string{
	"github.com/safespawn/spawn/internal/lasting.(*threads).serve",
}

// leftTime is how long what is left behind may take to go away where the machine is busy.
// Tests of this package have less.
var leftTime = Patience

// leftBehind finds what the tests left behind.
func leftBehind(before []string, inventory func() []string) (problems []string) {
	var options []goleak.Option
	for _, f := range serves {
		options = append(options, goleak.IgnoreAnyFunction(f))
	}
	var err error
	if !within(leftTime, func() bool { err = goleak.Find(options...); return err == nil }) {
		problems = append(problems, err.Error())
	}
	var leaks []string
	within(leftTime, func() bool {
		// What is garbage is let go of by the collector, in its own time.
		runtime.GC()
		leaks = without(inventory(), before)
		return len(leaks) == 0
	})
	return append(problems, leaks...)
}

// LeftoversSince is what there is now of Leftovers and was not before.
func LeftoversSince(before []string) []string { return without(Leftovers(), before) }

func without(list, others []string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return slices.Contains(others, s) })
}

func report(problems []string) (code int) {
	slices.Sort(problems)
	for _, p := range problems {
		fmt.Fprintln(os.Stderr, "left behind:", p)
		code = 1
	}
	return code
}
