package main // want package:"stays"

import (
	"os/exec" // want `os/exec stays in this package`

	"keeps"
)

func main() {
	_ = keeps.Run(exec.Command("ls")) // want `keeps.Run has a \*os/exec.Cmd, and package keeps stays with os/exec`
}
