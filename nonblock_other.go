//go:build unix && !linux

package spawn

import "github.com/safespawn/spawn/internal/highfd"

// dupBlocking duplicates a descriptor. There is no way here to open its file anew.
func dupBlocking(fd int) (int, error) { return highfd.Dup(fd) }
