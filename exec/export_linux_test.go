//go:build (amd64 || arm64) && !android && !spawn_forkexec

package exec

import "errors"

// ForceNoCgroup makes trees do without a control group until the function that
// it returns is called.
func ForceNoCgroup() (restore func()) {
	was := findParent
	findParent = func() (string, error) { return "", errors.ErrUnsupported }
	return func() { findParent = was }
}

// ForceNoCgroupKill makes control groups be ended as before Linux 5.14.
func ForceNoCgroupKill() (restore func()) {
	was := killFile
	killFile = "no.such.file"
	return func() { killFile = was }
}

// ForceNames makes the names of control groups end in numbers that next returns.
func ForceNames(next func() uint64) (restore func()) {
	was := randomName
	randomName = next
	return func() { randomName = was }
}

// OwnCgroup is where the groups of trees are made.
var OwnCgroup = ownCgroup

// OwnPrefix is what the names of this process's groups begin with.
func OwnPrefix() string { return self().prefix() }

// ForceParent makes trees have their groups in a directory.
func ForceParent(dir string) (restore func()) {
	was := findParent
	findParent = func() (string, error) { return dir, nil }
	return func() { findParent = was }
}

// TreePopulated reports whether there is anybody in the group of a tree.
func TreePopulated(c *Cmd) bool { return !c.tree.cgroup.empty() }

// FromBackground calls f in a thread that SIGTTOU doesn't stop.
var FromBackground = fromBackground

// ForceForeignOS has package os make each process, as where its types are not as
// expected, until the function that it returns is called.
func ForceForeignOS() (restore func()) {
	was := knowsOS
	knowsOS = func() bool { return false }
	return func() { knowsOS = was }
}
