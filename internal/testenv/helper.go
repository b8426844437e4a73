package testenv

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// HelperPrefix begins the argv[0] of a helper: the test binary is its own helper,
// and when it is started so it runs the function that was registered under the rest
// of that name, instead of the tests. Where argv[0] can't be chosen, as on a command
// line, the first argument does the same.
const HelperPrefix = "helper:"

var helpers = map[string]func(args []string) int{}

// RegisterHelper adds a helper program; its result is the exit status. It returns the
// name, so that a package variable can be initialised with it.
func RegisterHelper(name string, f func(args []string) int) string {
	if helpers[name] != nil {
		panic("helper registered twice: " + name)
	}
	helpers[name] = f
	return name
}

// HelperArgs is the argument vector by which the test binary becomes a helper.
func HelperArgs(name string, args ...string) []string {
	if helpers[name] == nil {
		panic("no helper " + name)
	}
	return append([]string{HelperPrefix + name}, args...)
}

// runHelper does not return where this process is a helper.
func runHelper() {
	args := os.Args
	if len(args) > 1 && !strings.HasPrefix(args[0], HelperPrefix) {
		args = args[1:]
	}
	name, ok := strings.CutPrefix(args[0], HelperPrefix)
	if !ok {
		return
	}
	f := helpers[name]
	if f == nil {
		fmt.Fprintf(os.Stderr, "no helper %q\n", name)
		os.Exit(125)
	}
	Exit(f(args[1:]))
}

// Exit ends a program that is no test, without what the test binary adds to its end where
// that would be felt: the race detector sleeps for a second if the environment does not say otherwise,
// and coverage has lines for standard error if its directory can't be written to.
func Exit(code int) {
	if RaceEnabled() && os.Getenv("GORACE") == "" || testing.CoverMode() != "" && !takesCoverage() {
		syscall.Exit(code)
	}
	os.Exit(code)
}

func takesCoverage() bool {
	dir := os.Getenv("GOCOVERDIR")
	if dir == "" {
		return false
	}
	f, err := os.CreateTemp(dir, "")
	if err != nil {
		return false
	}
	return errors.Join(f.Close(), os.Remove(f.Name())) == nil
}

// Status is the exit status of a helper that ends with err, which it prints where the
// test sees it.
func Status(err error) int {
	if err == nil {
		return 0
	}
	fmt.Println(err)
	return 1
}
