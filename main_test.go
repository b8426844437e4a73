package spawn_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/safespawn/spawn"
)

// The test binary is its own helper: started with "helper:NAME" as argv[0], it
// runs the function registered under NAME instead of the tests.
const helperPrefix = "helper:"

var (
	helpers     = map[string]func(args []string) int{}
	helperUsed  = map[string]bool{}
	helperMutex sync.Mutex
)

var long = flag.Bool("long", false, "run stress tests at full length")

// registerHelper adds a helper program; its result is the exit status.
func registerHelper(name string, f func(args []string) int) string {
	if helpers[name] != nil {
		panic("helper registered twice: " + name)
	}
	helpers[name] = f
	return name
}

// helper is a Spec that runs a registered helper.
func helper(t testing.TB, name string, args ...string) *spawn.Spec {
	t.Helper()
	helperMutex.Lock()
	defer helperMutex.Unlock()
	if helpers[name] == nil {
		t.Fatalf("no helper %q", name)
	}
	helperUsed[name] = true
	return &spawn.Spec{Path: testBinary(t), Args: append([]string{helperPrefix + name}, args...)}
}

func testBinary(t testing.TB) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

func TestMain(m *testing.M) {
	if name, ok := strings.CutPrefix(os.Args[0], helperPrefix); ok {
		f := helpers[name]
		if f == nil {
			fmt.Fprintf(os.Stderr, "no helper %q\n", name)
			os.Exit(125)
		}
		os.Exit(f(os.Args[1:]))
	}
	// Else every helper sleeps for a second at its end, under the race detector.
	if os.Getenv("GORACE") == "" {
		os.Setenv("GORACE", "atexit_sleep_ms=0")
	}
	flag.Parse()
	before := takeInventory()
	code := m.Run()
	if code == 0 {
		code = checkAfter(before)
	}
	os.Exit(code)
}

// checkAfter finds what the tests left behind.
func checkAfter(before inventory) int {
	var problems []string
	if flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.list").Value.String() == "" && !testing.Short() {
		for name := range helpers {
			if !helperUsed[name] {
				problems = append(problems, "helper not used by any test: "+name)
			}
		}
	}
	if err := goleak.Find(goleak.IgnoreAnyFunction("github.com/safespawn/spawn.(*lastingThreads).serve")); err != nil {
		problems = append(problems, err.Error())
	}
	// What is garbage is let go of by the collector, in its own time.
	leaks := takeInventory().leaks(before)
	for end := time.Now().Add(2 * time.Second); len(leaks) > 0 && time.Now().Before(end); leaks = takeInventory().leaks(before) {
		runtime.GC()
		time.Sleep(10 * time.Millisecond)
	}
	problems = append(problems, leaks...)
	slices.Sort(problems)
	for _, p := range problems {
		fmt.Fprintln(os.Stderr, "left behind:", p)
	}
	if len(problems) > 0 {
		return 1
	}
	return 0
}

// skip is the one place where tests are skipped; CI counts its lines.
func skip(t testing.TB, reason string) {
	t.Helper()
	t.Skip("SKIPPED: " + reason)
}

// needRoot skips a test, or the half of one, that is for root.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		skip(t, "needs root")
	}
}

// needUser skips what is for a user without privilege.
func needUser(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		skip(t, "needs a user without privilege")
	}
}

// output runs a child with a pipe as its standard output and returns what it
// wrote.
func output(t testing.TB, s *spawn.Spec) string {
	t.Helper()
	out, state, err := tryOutput(s)
	if err != nil {
		t.Fatal(err)
	}
	if !state.Success() {
		t.Fatalf("%v; output %q", state, out)
	}
	return out
}

func tryOutput(s *spawn.Spec) (out string, state *spawn.ProcessState, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return "", nil, err
	}
	defer r.Close()
	c := *s
	c.Actions = spawn.FileActions{}
	c.Actions.File(w, 1)
	c.Actions = spawn.Concat(c.Actions, s.Actions)
	p, err := spawn.Start(context.Background(), &c)
	w.Close()
	if err != nil {
		return "", nil, err
	}
	b, rerr := io.ReadAll(r)
	state, err = p.Wait(context.Background())
	return string(b), state, errors.Join(err, rerr)
}
