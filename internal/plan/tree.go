package plan

import "os"

// Tree is what a child needs to be made in a tree of processes. Package spawn makes it,
// and package attr makes an attribute of it.
type Tree struct {
	Cgroup *os.File // in which the child is made; nil: it leads a process group
	Handle any      // of package spawn
}
