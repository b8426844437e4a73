//go:build !windows

package tree

import "github.com/safespawn/spawn/internal/raw"

// Job is nil: jobs are for Windows.
func (t *Tree) Job() *raw.Job { return nil }
