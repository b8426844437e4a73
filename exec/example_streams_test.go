//go:build unix

package exec_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	"github.com/safespawn/spawn/exec"
)

// The lines of a program while it runs.
func ExampleCmd_Lines() {
	cmd := exec.Command("sh", "-c", "echo one; echo two >&2; exit 3")
	for line, err := range cmd.Lines() {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(line.Stream, line.Text)
	}
	// Unordered output:
	// stdout one
	// stderr two
	// exit status 3
}

// A loop that is left early ends the program.
func ExampleCmd_Lines_break() {
	cmd := exec.Command("sh", "-c", "while :; do echo ready; done")
	for line, err := range cmd.Lines() {
		fmt.Println(line.Text, err)
		break
	}
	fmt.Println(cmd.ProcessState)
	// Output:
	// ready <nil>
	// signal: killed
}

// The beginning and the end of an output of any size.
func ExampleNewCapture() {
	out := exec.NewCapture(exec.Keep{Head: 6, Tail: 8})
	cmd := exec.Command("seq", "100000")
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%q ... %q, %d of %d bytes are missing\n", out.Head(), out.Tail(), out.Truncated(), out.Total())
	// Output:
	// "1\n2\n3\n" ... "\n100000\n", 588881 of 588895 bytes are missing
}

// Wait and the reader of a pipe at the same time.
func ExampleCmd_StdoutPipe_buffer() {
	cmd := exec.Command("echo", "hello")
	cmd.BufferPipes = true
	out, err := cmd.StdoutPipe()
	if err != nil {
		log.Fatal(err)
	}
	if err := cmd.Run(); err != nil {
		log.Fatal(err)
	}
	text, err := io.ReadAll(out)
	fmt.Printf("%q %v\n", text, err)
	// Output: "hello\n" <nil>
}

// Two who wait, and one who gives up.
func ExampleCmd_WaitContext() {
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		log.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	fmt.Println(cmd.WaitContext(ctx))
	in.Close()
	<-cmd.Done()
	fmt.Println(cmd.Wait(), cmd.Wait())
	// Output:
	// context deadline exceeded
	// <nil> <nil>
}

// No more than a number of bytes for any writer.
func ExampleCmd_maxOutputWriter() {
	var out strings.Builder
	cmd := exec.Command("yes")
	cmd.Stdout, cmd.Stderr, cmd.MaxOutput = &out, os.Stderr, 1000
	err := cmd.Run()
	fmt.Println(out.Len(), err)
	// Output: 1000 signal: killed: exec: more output than MaxOutput (1000)
}
