package exec_test

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The test binary is its own helper: started with "helper:NAME" as argv[0], it
// runs that function instead of the tests. What it returns is the exit status.
const helperPrefix = "helper:"

var helpers = map[string]func(args []string) int{
	"report": report,
	"cat":    func([]string) int { _, err := io.Copy(os.Stdout, os.Stdin); return status(err) },
	"exit":   func(args []string) int { fmt.Fprintln(os.Stderr, "leaving"); return number(args[0]) },
	"sleep":  func(args []string) int { time.Sleep(time.Duration(number(args[0])) * time.Millisecond); return 0 },
	"kill":   func([]string) int { return status(killSelf()) },
	"write":  write,
	"both": func([]string) int {
		for i := range 10 {
			fmt.Fprintf(os.Stdout, "out %d\n", i)
			fmt.Fprintf(os.Stderr, "err %d\n", i)
		}
		return 0
	},
}

// write writes N bytes to descriptor FD.
func write(args []string) int {
	w := bufio.NewWriter(os.NewFile(uintptr(number(args[0])), "out"))
	for i := range number(args[1]) {
		_ = w.WriteByte(byte('a' + i%26)) // Flush returns it
	}
	return status(w.Flush())
}

func status(err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

// report prints what the program was given.
func report(args []string) int {
	fmt.Printf("args %q\n", args)
	wd, err := os.Getwd()
	fmt.Printf("dir %q %v\n", wd, err)
	env := os.Environ()
	slices.Sort(env)
	for _, e := range env {
		fmt.Printf("env %q\n", e)
	}
	in, err := io.ReadAll(os.Stdin)
	fmt.Printf("stdin %q %v\n", in, err)
	for fd := 3; fd < 10; fd++ {
		f := os.NewFile(uintptr(fd), "extra")
		// What else os/exec lets the program inherit is not to be read.
		if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
			continue
		}
		b, err := io.ReadAll(f)
		if strings.HasPrefix(string(b), "extra") {
			fmt.Printf("fd %d %q %v\n", fd, b, err)
		}
	}
	fmt.Fprintln(os.Stderr, "reported")
	return 0
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
	flag.Parse()
	warmUp()
	before := inventory()
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(goleak.IgnoreAnyFunction("github.com/safespawn/spawn.(*lastingThreads).serve")); err != nil {
			fmt.Fprintln(os.Stderr, "left behind:", err)
			code = 1
		}
		for _, p := range inventory() {
			if !slices.Contains(before, p) {
				fmt.Fprintln(os.Stderr, "left behind:", p)
				code = 1
			}
		}
	}
	os.Exit(code)
}

// skip is the one place where tests are skipped; CI counts its lines.
func skip(t testing.TB, reason string) {
	t.Helper()
	t.Skip("SKIPPED: " + reason)
}

func self(t testing.TB) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

func helperArgs(name string, args ...string) []string {
	return append([]string{helperPrefix + name}, args...)
}
