//go:build unix && !linux

package highfd

// DupBlocking duplicates a descriptor. There is no way here to open its file anew.
func DupBlocking(fd int) (int, error) { return Dup(fd) }
