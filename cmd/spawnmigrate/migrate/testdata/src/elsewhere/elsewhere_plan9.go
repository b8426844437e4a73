package elsewhere

import "os/exec"

var _ = exec.ErrDot
