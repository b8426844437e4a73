package cgroup

// ForTest replaces what is found and chosen here, where a field is not zero, until
// the function that it returns is called.
type ForTest struct {
	Parent func() (string, error) // where groups are made
	Name   func() uint64          // the end of the next group's name
	Kill   string                 // the name of cgroup.kill
}

// Force replaces.
func (f ForTest) Force() (restore func()) {
	parent, name, kill := findParent, randomName, killFile
	if f.Parent != nil {
		findParent = f.Parent
	}
	if f.Name != nil {
		randomName = f.Name
	}
	if f.Kill != "" {
		killFile = f.Kill
	}
	return func() { findParent, randomName, killFile = parent, name, kill }
}

// OwnPrefixForTest is what the names of this process's groups begin with.
func OwnPrefixForTest() string { return self().prefix() }
