package plan

import "context"

// Unseen is a context for a child after which whoever starts it looks: nothing is
// done about one that is forgotten.
type Unseen struct {
	context.Context
	Take  bool // the pidfd is the caller's, where children are waited for by theirs
	Pidfd int  // set where it was taken; no number of a descriptor of ours is 0
}
