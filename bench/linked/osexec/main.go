// Command osexec is that of linked/spawn by os/exec.
package main

import (
	"os"
	"os/exec"
)

func main() {
	if len(os.Args) > 1 {
		if err := exec.Command(os.Args[1]).Run(); err != nil {
			os.Exit(1)
		}
	}
}
