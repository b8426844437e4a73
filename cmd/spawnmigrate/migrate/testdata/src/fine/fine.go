package fine

import (
	"fmt"
	"os/exec" // want `import of os/exec can be that of github.com/safespawn/spawn/exec`
	"sync"

	"example.com/pty"
)

type job struct {
	*exec.Cmd
	mu sync.Mutex
}

func run(j *job) error {
	fmt.Println(j.Cmd)
	return j.Run()
}

// Names has nothing by which others get at the Cmd.
func Names() []string {
	j := &job{Cmd: exec.Command("ls")}
	if run(pty.Keep(j)) != nil {
		return nil
	}
	return pty.Keep(j.Cmd).Args
}
