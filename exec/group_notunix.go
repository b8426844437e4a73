//go:build !unix

package exec

import (
	"io"
	"runtime"
)

// grouped is about Windows: a job holds the tree, and with a group of its own the child can
// be interrupted.
func (*tree) grouped(io.Reader) bool { return runtime.GOOS == "windows" }
