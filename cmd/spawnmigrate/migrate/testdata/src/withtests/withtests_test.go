package withtests

import (
	"os/exec"
	"testing"

	"example.com/pty"
)

func TestList(t *testing.T) {
	_ = pty.Start(list())
	_ = exec.Command("ls")
}
