//go:build unix

package exec_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/exec"
)

func ExampleCmd_Run() {
	cmd := exec.Command("tr", "a-z", "A-Z")
	cmd.Stdin = strings.NewReader("some input\n")
	cmd.Stdout = os.Stdout
	if err := cmd.Run(); err != nil {
		log.Fatal(err)
	}
	// Output: SOME INPUT
}

// A program that fails is an *ExitError, which has the end of the standard error. A
// program that can't be started is another error.
func ExampleCmd_Output() {
	for _, script := range []string{"echo fine", "echo bad >&2; exit 3"} {
		out, err := exec.Command("sh", "-c", script).Output()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			fmt.Printf("status %d: %s", exit.ExitCode(), exit.Stderr)
			continue
		}
		fmt.Printf("%q %v\n", out, err)
	}
	_, err := exec.Command("no-such-program").Output()
	fmt.Println(errors.Is(err, exec.ErrNotFound))
	// Output:
	// "fine\n" <nil>
	// status 3: bad
	// true
}

// A program that writes without end is killed.
func ExampleCmd_maxOutput() {
	cmd := exec.Command("yes")
	cmd.MaxOutput = 10
	out, err := cmd.Output()
	fmt.Printf("%q %v\n", out, errors.Is(err, exec.ErrMaxOutput))
	// Output: "y\ny\ny\ny\ny\n" true
}

// The end of the context ends the shell and the sleep that the shell has left behind.
// Without Tree, Run would wait for the end of the sleep, which has the pipe.
func ExampleCmd_tree() {
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "sh", "-c", "sleep 60 & echo started")
	cmd.Tree = true
	cmd.Stdout = writer(func(text string) {
		fmt.Print(text)
		cancel()
	})
	err := cmd.Run()
	fmt.Println(errors.Is(err, context.Canceled))
	// Output:
	// started
	// true
}

// The program is asked to end by SIGTERM. If it still lives ten seconds later, it is
// killed.
func ExampleCmd_stop() {
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "sh", "-c", "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done")
	cmd.Stop = spawn.Graceful(10 * time.Second)
	cmd.Stdout = writer(func(text string) {
		fmt.Print(text)
		if text == "ready\n" {
			cancel()
		}
	})
	err := cmd.Run()
	fmt.Println(errors.Is(err, context.Canceled), cmd.ProcessState)
	// Output:
	// ready
	// bye
	// true exit status 0
}

type writer func(text string)

func (f writer) Write(b []byte) (int, error) {
	f(string(b))
	return len(b), nil
}

// Shutdown takes the steps of Stop at any time, and waits for the end of the program.
func ExampleCmd_Shutdown() {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(cmd.Shutdown(context.Background()))
	fmt.Println(cmd.ProcessState)
	// Output:
	// <nil>
	// signal: terminated
}

// The actions come after the standard streams and ExtraFiles. Here the standard error
// becomes the file of the standard output, and the input comes from a file that the
// child opens.
func ExampleCmd_actions() {
	cmd := exec.Command("sh", "-c", "cat; echo to the standard error >&2")
	cmd.Stdout = os.Stdout
	cmd.Actions.Open(0, os.DevNull, os.O_RDONLY, 0)
	cmd.Actions.Dup2(1, 2)
	if err := cmd.Run(); err != nil {
		log.Fatal(err)
	}
	// Output: to the standard error
}

// If a start fails, errors.As finds an error that says what has failed, and errors.Is
// the reason.
func ExampleCmd_Start() {
	cmd := exec.Command("true")
	cmd.Actions.Dup2(-1, 2)
	err := cmd.Start()
	var step *spawn.Error
	if errors.As(err, &step) {
		fmt.Println(step.Part, step.Index, step.Step)
	}
	fmt.Println(errors.Is(err, syscall.EINVAL))
	// Output:
	// action 0 dup2
	// true
}

// A spawn.Tree bounds what all processes of a program together may use. The system has
// to let this process set limits: docs/trees.md says how.
func ExampleCmd_limits() {
	tree, err := spawn.NewTree(spawn.Limits{Memory: 512 << 20, Procs: 100})
	if err != nil {
		log.Fatal(err) // says what is in the way
	}
	defer tree.Close() // which kills what is left
	cmd := exec.Command("make", "-j8")
	cmd.Attr = append(cmd.Attr, tree.Attr())
	if err := cmd.Run(); err != nil {
		log.Fatal(err)
	}
}
