//go:build !linux

package attr

// IDMapEntry is a range of ids.
type IDMapEntry struct {
	ContainerID int // in the namespace
	HostID      int // outside
	Size        int
}
