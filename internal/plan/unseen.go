package plan

import "context"

// Unseen is a context for a child after which whoever starts it looks: nothing is
// done about one that is forgotten.
type Unseen struct{ context.Context }
