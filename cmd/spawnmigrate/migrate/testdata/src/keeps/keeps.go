package keeps // want package:"stays"

import "os/exec" // want `os/exec stays in this package: exported Run has a \*exec.Cmd: see -api`

func Run(c *exec.Cmd) error { return c.Run() }
