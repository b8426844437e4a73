package plan

import (
	"os"

	"github.com/safespawn/spawn/internal/raw"
)

// Tree is what a child needs to be made in a tree of processes. Package spawn makes it,
// and package attr makes an attribute of it.
type Tree struct {
	Cgroup *os.File // in which the child is made; nil: it leads a process group
	Job    *raw.Job // the same on Windows
	// PIDNamespace, where it is not nil, opens the pid namespace in which the child is; see
	// Plan.SetPIDNamespace.
	PIDNamespace func() (*os.File, error)
	// Guard, where it is not nil, is called before each start of a child that is to end with
	// this process; see Plan.SetGuard.
	Guard  func() error
	Handle any // of package spawn
}
