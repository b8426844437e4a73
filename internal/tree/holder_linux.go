package tree

import (
	"os"

	"github.com/safespawn/spawn/internal/cgroup"
)

func newHolder() (holder, error) {
	g, err := cgroup.New()
	if err != nil {
		return nil, err
	}
	return g, nil
}

// group is the control group; nil where none could be made.
func (t *Tree) group() *cgroup.Group {
	g, _ := t.holder.(*cgroup.Group)
	return g
}

// Dir is the directory of the control group in which a child must be made; nil where
// there is none.
func (t *Tree) Dir() *os.File {
	if g := t.group(); g != nil {
		return g.Dir()
	}
	return nil
}
