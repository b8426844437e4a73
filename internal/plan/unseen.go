package plan

import "context"

// Unseen is a context that can't end, for a child of which nobody but the one
// goroutine that waits for it ever knows, and which therefore needs nobody to look
// after it.
type Unseen struct{ context.Context }
