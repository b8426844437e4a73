package withtests

import "os/exec"

func list() *exec.Cmd { return exec.Command("ls") }
