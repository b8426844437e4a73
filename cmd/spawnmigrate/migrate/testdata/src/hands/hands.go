package hands // want package:"stays"

import (
	"os/exec" // want `os/exec stays in this package: a foreign package has to do with its Cmd: hands.go:10`

	"example.com/pty"
)

func run() error {
	if err := pty.Start(exec.Command("ls")); err != nil { // want `pty.Start of example.com/pty has a \*os/exec.Cmd`
		return err
	}
	pty.On(func(c *exec.Cmd) {}) // want `pty.On of example.com/pty`
	_ = pty.Options{Cmd: nil}    // want `pty.Cmd of example.com/pty`
	var _ pty.Starter            // want `pty.Starter of example.com/pty`
	var _ *pty.Alias             // want `pty.Alias of example.com/pty`
	c, err := pty.Make()         // want `pty.Make of example.com/pty`
	pty.Any(c)                   // want `pty.Any gets the Cmd as an interface`
	return err
}
