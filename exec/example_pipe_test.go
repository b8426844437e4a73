//go:build unix

package exec_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/safespawn/spawn/exec"
)

func ExamplePipe() {
	p := exec.Pipe(exec.Command("printf", `pear\napple\nfig\n`), exec.Command("sort"), exec.Command("head", "-2"))
	out, err := p.Output()
	fmt.Printf("%q %v\n", out, err)
	// Output: "apple\nfig\n" <nil>
}

// A reader that ends early is no error: yes gets SIGPIPE.
func ExamplePipe_earlyEnd() {
	out, err := exec.Pipe(exec.Command("yes"), exec.Command("head", "-1")).Output()
	fmt.Printf("%q %v\n", out, err)
	// Output: "y\n" <nil>
}

// The first program has an input, and the last one the standard output of this process.
func ExamplePipeline_Run() {
	first, last := exec.Command("grep", "o"), exec.Command("tr", "a-z", "A-Z")
	first.Stdin = strings.NewReader("one\ntwo\nthree\n")
	last.Stdout = os.Stdout
	if err := exec.Pipe(first, last).Run(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// ONE
	// TWO
}

func ExamplePipeError() {
	p := exec.Pipe(exec.Command("echo", "x"), exec.Command("sh", "-c", "cat; echo bad >&2; exit 3"), exec.Command("cat"))
	out, err := p.Output()
	var failed *exec.PipeError
	if errors.As(err, &failed) {
		fmt.Println(failed.Index, failed.Errs)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		fmt.Printf("%d %q %q\n", exit.ExitCode(), exit.Stderr, out)
	}
	// Output:
	// 1 [<nil> exit status 3 <nil>]
	// 3 "bad\n" "x\n"
}

// With Tree the end of the context also ends the process that the first program has left
// behind, which keeps the pipe to the second.
func ExamplePipeContext() {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	p := exec.PipeContext(ctx, exec.Command("sh", "-c", "sleep 60 & echo started"), exec.Command("cat"))
	p.Tree = true
	_, err := p.Output()
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output: true
}
