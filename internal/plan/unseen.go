package plan

import "context"

// Unseen is a context that can't end, for a child of which nobody but the one
// goroutine that waits for it ever knows: nothing can be done to such a child, so
// it needs a pidfd only where waiting for it takes long.
type Unseen struct{ context.Context }
