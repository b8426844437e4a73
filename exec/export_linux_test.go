//go:build (amd64 || arm64) && !android && !spawn_forkexec

package exec

// FromBackground calls f in a thread that SIGTTOU doesn't stop.
var FromBackground = fromBackground

// ForceForeignOS has package os make each process, as where its types are not as
// expected, until the function that it returns is called.
func ForceForeignOS() (restore func()) {
	was := knowsOS
	knowsOS = func() bool { return false }
	return func() { knowsOS = was }
}
