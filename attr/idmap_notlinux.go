//go:build !linux

package attr

// IDMapEntry maps Size ids: those from ContainerID on, inside the namespace, to
// those from HostID on, outside.
type IDMapEntry struct {
	ContainerID int // in the namespace
	HostID      int // outside
	Size        int
}
