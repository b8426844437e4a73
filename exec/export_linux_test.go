//go:build (amd64 || arm64) && !android && !spawn_forkexec

package exec

// ForceNoCgroup makes trees do without a control group until the function that
// it returns is called.
func ForceNoCgroup() (restore func()) {
	was := canMakeCgroup
	canMakeCgroup = func() bool { return false }
	return func() { canMakeCgroup = was }
}
