package exec_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/safespawn/spawn/internal/testenv"
)

func TestMain(m *testing.M) {
	warmUp()
	testenv.Main(m, inventory)
}

func init() {
	register := testenv.RegisterHelper
	register("report", report)
	register("cat", func([]string) int { _, err := io.Copy(os.Stdout, os.Stdin); return status(err) })
	register("exit", func(args []string) int { fmt.Fprintln(os.Stderr, "leaving"); return number(args[0]) })
	register("kill", func([]string) int { return status(killSelf()) })
	register("write", write)
	register("both", func([]string) int {
		for i := range 10 {
			fmt.Fprintf(os.Stdout, "out %d\n", i)
			fmt.Fprintf(os.Stderr, "err %d\n", i)
		}
		return 0
	})
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
		// A fuzzer's shared memory is one of these, and has 100 MiB.
		b, err := io.ReadAll(io.LimitReader(f, 100))
		if strings.HasPrefix(string(b), "extra") {
			fmt.Printf("fd %d %q %v\n", fd, b, err)
		}
	}
	fmt.Fprintln(os.Stderr, "reported")
	return 0
}
