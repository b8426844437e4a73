//go:build unix

package exec_test

import (
	"errors"
	"fmt"
	"log"
	osexec "os/exec"

	"github.com/safespawn/spawn/exec"
)

// A Cmd that somebody else has made is run with a bound on its output.
func ExampleFromStd() {
	theirs := osexec.Command("yes")
	cmd := exec.FromStd(theirs)
	cmd.MaxOutput = 4
	out, err := cmd.Output()
	fmt.Printf("%q %v\n", out, errors.Is(err, exec.ErrMaxOutput))
	// Output: "y\ny\n" true
}

// Code that wants a Cmd of os/exec gets one, but not with what os/exec has not.
func ExampleCmd_Std() {
	run := func(cmd *osexec.Cmd) ([]byte, error) { return cmd.Output() } // theirs
	cmd := exec.Command("echo", "a")
	out, err := run(cmd.Std())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%q\n", out)

	cmd.Tree = true
	_, err = run(cmd.Std())
	fmt.Println(errors.Is(err, errors.ErrUnsupported), err)
	// Output:
	// "a\n"
	// true exec: os/exec has no Tree: unsupported operation
}
